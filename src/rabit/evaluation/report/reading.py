"""What the report of an evaluation says beside its figures."""

from __future__ import annotations

from rabit.evaluation.intervals import FEW
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

HOW_TO_READ = f"""<div class="card reading">
<h4>Intervals</h4>
<p>Every interval is one of 95 %. That of a mean over samples goes from the 2.5th to the 97.5th
percentile of a bootstrap: conditions (of edits: the photographs that they change) are drawn with
replacement, each with all its samples, because samples of one condition are no independent draws.
Where several conditions share exemplars, these are drawn too, and a sample counts as often as its
condition times as often as its exemplar was drawn; what a sample has of its own would count three
times so, and the distance of the ends to the figure is reduced accordingly. Of fewer than {FEW}
conditions or exemplars the percentiles would be too narrow: their distance to the figure is
multiplied by what Student's t asks for, so that an interval may leave the range of its figure. Mean
IoU and accuracy of a segmenter's maps are counted anew in the same draws.</p>
<p>A difference is paired: it is taken sample by sample before it is averaged (of mean IoU and
accuracy: in each draw), so that its interval is narrower than those of the two figures. A figure
that the first method does not have is marked, and not compared. Distances between sets have no such
difference, and no mark.</p>
<p>A Fréchet distance (FD, FID) has a normal interval, as wide as its deviation over bootstrap
samples makes it: repeated samples raise such a distance, so percentiles would not lie around it.
That deviation is larger than the one between new sets of samples, so the interval is wider than
95 %, and it is about the distance of this number of pictures, which falls with more of them. A
kernel distance (KD, KID) has a normal interval from the jackknife, which leaves out one condition
after the other. It says how the figure varies between draws of conditions, not where the distance
of ever more pictures lies: results are made from the photographs that they are compared with, which
moves the figure by an amount of the order of 1/number, up or down. A sliced Wasserstein distance
(SWD) has none. Of fewer than two conditions, or three for a kernel distance, no interval is
shown.</p>
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
