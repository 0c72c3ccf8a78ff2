"""What the report of an evaluation says beside its figures."""

from __future__ import annotations

from rabit.evaluation.report.cases import COPIED_SHARE, FLAT

ABOUT = {
    "translation": "Each condition is translated with exemplars that have another layout.",
    "manipulation": "A photograph is edited by editing its condition; it is the exemplar itself.",
}

CHARTS = (
    "Dots are the figures of the tables, lines their 95 % intervals. Blue is the first method, "
    "orange are others, hollow and grey are baselines. Axes do not begin at 0."
)

SPREAD = (
    "Small dots are samples, moved up and down so that they are seen apart; boxes go from quartile "
    "to quartile with the median in them, lines from the 5th to the 95th percentile."
)

RULES = (
    "Results of {method} are listed if their picture is missing or has one colour (each channel's "
    f"standard deviation is below {FLAT:g} of 255) though the truth has more; if they copy the "
    f"exemplar (a copied share above {COPIED_SHARE:g}, and as large a share of what differs "
    "between truth and exemplar has the exemplar's colours); if they are farther from the truth, "
    "by the perceptual distance, than the class mean colours are; or if a figure is not finite."
)

NOT_COMPARABLE = (
    "What was measured here stands in the columns of the paper's tables, under headings of its "
    "own. The rows below it are published figures, on the paper's data and networks: their values "
    "are not comparable with those measured here."
)

HOW_TO_READ = """<div class="card reading">
<h4>Intervals</h4>
<p>Every interval is one of 95 %. That of a mean over samples goes from the 2.5th to the 97.5th
percentile of a bootstrap: conditions (of edits: the photographs that they change) are drawn with
replacement, each with all its samples, because samples of one condition are no independent draws. A
difference is paired: it is taken sample by sample before it is averaged, so that its interval is
narrower than those of the two figures. Distances between sets have no such difference.</p>
<p>A Fréchet distance (FD, FID) has a normal interval, as wide as its deviation over bootstrap
samples makes it: repeated samples raise such a distance, so percentiles would not lie around it. A
kernel distance (KD, KID) has a normal interval from the jackknife, which leaves out one condition
after the other. A sliced Wasserstein distance (SWD) has none. Where there are too few conditions no
interval is shown.</p>
<h4>Readings</h4>
<p>Semantic consistency compares results with the photographs that their conditions belong to, style
consistency with their exemplars. Without another word both are read by region: features are
averaged over each region of the condition, and the cosines of regions are weighted by area; the
height of the published figures fits this reading. <i>Plain</i> is the reading of the paper's words:
the cosine at each position, or of statistics of the whole picture. No picture has a better plain
style than a copy of the exemplar, so it is to be read beside the copied share: of the pixels where
condition and exemplar ask for different things, those that have the exemplar's colour all the
same.</p>
<h4>Names</h4>
<p>A figure under a network that stands in for another never carries the name of the real metric.
FID and KID are so called under Inception of 2015 only, and are FD and KD under every other network;
LPIPS is so called with its published weights only, and is a distance otherwise. The label of each
figure names its network. Figures compare only under one label, and distances between sets only
under one number of samples.</p>
</div>"""
