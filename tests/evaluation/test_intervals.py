from __future__ import annotations

import math

import pytest
import torch

from rabit.evaluation.intervals import Resamples

NAN = math.nan


def test_the_mean_leaves_out_what_is_nan() -> None:
    figure = Resamples([0, 0, 1, 2]).mean(torch.tensor([1.0, NAN, 3.0, 8.0]))
    assert figure.value == 4 and figure.count == 3
    assert figure.low < 4 < figure.high


def test_resampled_means_are_those_of_the_samples_drawn() -> None:
    values = torch.tensor([1.0, 2.0, NAN, 10.0, 20.0])
    resamples = Resamples([5, 5, 7, 7, 9], count=20, seed=3)
    for mean, rows in zip(resamples.means(values), resamples.samples(20), strict=True):
        drawn = values[rows]
        drawn = drawn[drawn.isfinite()]
        if len(drawn):
            assert mean == pytest.approx(float(drawn.mean()))
        # Whole clusters are drawn: as many 0s as 1s, as many 2s as 3s.
        counts = torch.bincount(rows, minlength=5).tolist()
        assert counts[0] == counts[1] and counts[2] == counts[3]


def test_samples_of_one_cluster_count_as_one() -> None:
    """Figures that are equal within clusters are no surer for being repeated."""
    torch.manual_seed(0)
    values = torch.randn(40)
    single = Resamples(range(40)).mean(values)
    repeated = Resamples([i // 5 for i in range(200)]).mean(values.repeat_interleave(5))
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))
    naive = Resamples(range(200)).mean(values.repeat_interleave(5))
    assert naive.high - naive.low < 0.6 * (single.high - single.low)


def test_intervals_cover_the_true_mean() -> None:
    """95 % of 200 experiments do, a percentile bootstrap of 30 clusters a little less."""
    generator = torch.Generator().manual_seed(1)
    inside = 0
    for seed in range(200):
        own = torch.randn(30, generator=generator).repeat_interleave(3)
        values = own + 0.3 * torch.randn(90, generator=generator)
        found = Resamples([i // 3 for i in range(90)], count=400, seed=seed).mean(values)
        inside += found.low <= 0 <= found.high
    assert 178 <= inside <= 199


def test_a_paired_difference_is_surer_than_its_sides() -> None:
    torch.manual_seed(2)
    hard = torch.randn(50)
    ours, theirs = hard + 0.2 + 0.01 * torch.randn(50), hard
    resamples = Resamples(range(50))
    difference = resamples.difference(ours, theirs)
    assert difference.low > 0.18 and difference.high < 0.22
    assert resamples.mean(ours).low < resamples.mean(theirs).high


def test_one_cluster_has_no_interval() -> None:
    figure = Resamples([4, 4]).mean(torch.tensor([1.0, 3.0]))
    assert figure.value == 2 and math.isnan(figure.low) and math.isnan(figure.high)
    distance = Resamples([4, 4]).distance(2.5, 2, lambda draws: torch.zeros(1), most=3)
    assert distance.value == 2.5 and math.isnan(distance.low)


def test_a_figure_of_one_cluster_among_several_has_no_interval() -> None:
    figure = Resamples([4, 4, 5, 6]).mean(torch.tensor([1.0, 3.0, NAN, NAN]))
    assert (figure.value, figure.count) == (2, 2)
    assert math.isnan(figure.low) and math.isnan(figure.high)


def test_a_distance_s_interval_lies_around_it() -> None:
    resamples = Resamples(range(30))
    found = resamples.distance(5.0, 30, lambda d: torch.linspace(7, 9, len(d)), most=9)
    reach = 1.959964 * float(torch.linspace(7, 9, 9).std())
    assert (found.low, found.high) == pytest.approx((5 - reach, 5 + reach))


@pytest.mark.parametrize(("clusters", "count"), [([], 10), ([1, 2], 1)])
def test_nothing_to_draw_is_refused(clusters: list[int], count: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1 and 2"):
        Resamples(clusters, count)


def test_a_figure_that_no_sample_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample has the figure"):
        Resamples([0, 1]).mean(torch.tensor([NAN, NAN]))
