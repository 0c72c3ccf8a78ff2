from __future__ import annotations

import math

import pytest
import torch

from rabit.evaluation.intervals import FEW, Resamples
from rabit.student import widening

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


def shared(conditions: int, exemplars: int = 3) -> tuple[list[int], list[int]]:
    """Conditions with the exemplars of those that follow, as a folder's test set has them."""
    clusters = [number for number in range(conditions) for _ in range(exemplars)]
    steps = list(range(exemplars)) * conditions
    return clusters, [(c + step) % conditions for c, step in zip(clusters, steps, strict=True)]


@pytest.mark.parametrize("own", [0.0, 0.5, 1.0])
def test_intervals_cover_the_true_mean_where_exemplars_are_shared(own: float) -> None:
    """Clusters alone cover 0.75 to 0.9; what conditions have in common is of deviation `own`."""
    generator = torch.Generator().manual_seed(2)
    clusters, exemplars = shared(40)
    inside = {True: 0, False: 0}
    for seed in range(200):
        values = own * torch.randn(40, generator=generator)[clusters]
        values += torch.randn(40, generator=generator)[exemplars]
        values += 0.5 * torch.randn(120, generator=generator)
        for crossed in inside:
            given = exemplars if crossed else None
            found = Resamples(clusters, 400, seed, given).mean(values)
            inside[crossed] += found.low <= 0 <= found.high
    assert 183 <= inside[True] <= 198
    assert inside[False] <= 180 and inside[False] <= inside[True] - 10


def test_a_sample_counts_as_often_as_its_cluster_times_its_exemplar() -> None:
    clusters, exemplars = [0, 0, 1, 1, 2, 2, 3, 3], [0, 1] * 4
    resamples = Resamples(clusters, 40, seed=3, exemplars=exemplars)
    values = torch.tensor([1.0, 2.0, 4.0, NAN, NAN, 32.0, 64.0, 128.0])
    known = values.isfinite()
    weights = resamples.sums(torch.eye(8))
    means = resamples.means(values)
    for mean, row in zip(means, weights, strict=True):
        rows, columns = row.view(4, 2).sum(dim=1) / 2, row.view(4, 2).sum(dim=0) / 4
        assert torch.equal(row.view(4, 2), rows[:, None] * columns) and float(row.sum()) == 8
        expected = (row[known] * values[known]).sum() / row[known].sum()
        assert float(mean) == pytest.approx(float(expected), nan_ok=True)
    # Clusters 1 and 2 have a known sample of one exemplar only, which may not be drawn.
    assert bool((weights == 0).any()) and resamples.mean(values).low < 41


def test_resamples_without_a_known_sample_are_left_out() -> None:
    clusters, exemplars = [0, 0, 1, 1], [0, 1, 0, 1]
    resamples = Resamples(clusters, 200, exemplars=exemplars)
    values = torch.tensor([1.0, 2.0, 4.0, NAN])
    assert bool(resamples.means(values).isnan().any())
    found = resamples.mean(values)
    assert found.low < found.value < found.high and found.count == 3


def test_exemplars_of_one_cluster_each_change_nothing() -> None:
    torch.manual_seed(3)
    clusters, values = [i // 3 for i in range(90)], torch.randn(90)
    alone = Resamples(clusters)
    for exemplars in (range(90), clusters, [10 * c + i % 2 for i, c in enumerate(clusters)]):
        crossed = Resamples(clusters, exemplars=exemplars)
        assert torch.equal(crossed.means(values), alone.means(values))
        assert crossed.mean(values) == alone.mean(values)
    # Where the figure is known of one exemplar a cluster, shared ones change nothing either.
    numbers, exemplars = shared(30)
    values[[i for i in range(90) if i % 3]] = NAN
    assert Resamples(numbers, exemplars=exemplars).mean(values) == alone.mean(values)


def test_deviations_are_those_of_both_ways() -> None:
    """Variances of a mean by hand: over clusters and over exemplars, less that over samples."""
    torch.manual_seed(7)
    clusters, exemplars = shared(100)
    values = torch.randn(100)[clusters] + torch.randn(100)[exemplars] + torch.randn(300)
    own = (values - values.mean()) / 300
    sums = [torch.zeros(100).index_add_(0, torch.tensor(n), own) for n in (clusters, exemplars)]
    expected = math.sqrt(
        sum(float(each.square().sum()) for each in sums) - float(own.square().sum())
    )
    found = Resamples(clusters, 4000, exemplars=exemplars).mean(values)
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(expected, rel=0.05)


def test_clusters_of_one_exemplar_each_are_as_sure_as_exemplars() -> None:
    torch.manual_seed(4)
    values = torch.randn(60)
    exemplars = [i // 3 for i in range(60)]
    found = Resamples(range(60), exemplars=exemplars).mean(values)
    grouped = Resamples(exemplars).mean(values)
    assert found.high - found.low == pytest.approx(grouped.high - grouped.low, rel=0.2)
    # A single exemplar is the one that the figure is about.
    assert Resamples(range(60), exemplars=[7] * 60).mean(values) == Resamples(range(60)).mean(
        values
    )


@pytest.mark.parametrize("clusters", [2, 3, 5, 10])
def test_intervals_of_few_clusters_cover_the_true_mean(clusters: int) -> None:
    """Percentiles alone cover 0.5 of two clusters, and 0.9 of ten."""
    generator = torch.Generator().manual_seed(5)
    inside = narrow = 0
    for seed in range(300):
        values = torch.randn(clusters, generator=generator)
        found = Resamples(range(clusters), 400, seed).mean(values)
        inside += found.low <= 0 <= found.high
        reach = [(end - found.value) / widening(clusters) for end in (found.low, found.high)]
        narrow += reach[0] <= -found.value <= reach[1]
    assert 268 <= inside <= 296 and narrow < 274 and narrow < inside - 8


def test_percentiles_are_widened_below_twenty_clusters() -> None:
    torch.manual_seed(6)
    for clusters in (FEW - 1, FEW):
        values = torch.randn(clusters)
        resamples = Resamples(range(clusters))
        drawn = resamples.means(values)
        ends = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=drawn.dtype))
        found = resamples.mean(values)
        factor = widening(clusters) if clusters < FEW else 1
        expected = (found.value + factor * (ends - found.value)).tolist()
        assert (found.low, found.high) == pytest.approx(expected)


def test_an_exemplar_a_sample_is_expected() -> None:
    with pytest.raises(ValueError, match="2 exemplars of 3 samples"):
        Resamples([0, 1, 2], exemplars=[0, 1])
