"""Exemplars nearest to the centres of clusters."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.memory.kmeans import KMeans, nearest_to_centres
from tests.memory.test_exemplars import Data, describe, of_class, stream
from tests.reference import memories as slow


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(sizes: list[int]) -> Tensor:
    """Far apart groups of points on a line, each of an odd number of points around 100 * its number."""
    return torch.cat([100.0 * i + torch.arange(n) - (n - 1) / 2 for i, n in enumerate(sizes)]).reshape(-1, 1)


def test_the_middle_of_each_blob_is_chosen_the_largest_first() -> None:
    points = blobs([3, 9, 5])
    for seed in range(5):
        chosen = nearest_to_centres(points, 3, generator(seed))
        assert points[chosen].flatten().tolist() == [100.0, 200.0, 0.0]


def test_the_written_out_algorithm_by_hand() -> None:
    # From 0 and 1: the groups {0} and {1, 5, 6}, whose mean 4 loses 1 to the mean 0; then {0, 1} and {5, 6} stay.
    assert slow.clusters([[0.0], [1.0], [5.0], [6.0]], [[0.0], [1.0]]) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_sample_nearest_to_the_mean_of_each_group(seed: int) -> None:
    rng = generator(seed)
    middles = 20 * torch.eye(4)[:, :3]
    points = torch.cat(
        [middle + torch.randn(5 + 2 * i, 3, generator=rng) for i, middle in enumerate(middles)]
    )
    chosen = nearest_to_centres(points, 4, rng).tolist()
    # Groups this far apart are found from any start, so that the chosen samples can be one.
    rows = points.tolist()
    groups = slow.clusters(rows, [rows[i] for i in chosen])
    assert [len(group) for group in groups] == [11, 9, 7, 5]
    for number, group in zip(chosen, groups, strict=True):
        mean = slow.average([rows[i] for i in group])
        assert number == min(group, key=lambda i: slow.distance(rows[i], mean))


def test_everything_is_chosen_where_there_is_no_more_and_nothing_of_nothing() -> None:
    points = torch.randn(4, 2, generator=generator())
    assert sorted(nearest_to_centres(points, 9, generator()).tolist()) == [0, 1, 2, 3]
    assert nearest_to_centres(points, 0, generator()).tolist() == []
    assert nearest_to_centres(points[:0], 3, generator()).tolist() == []


def test_samples_that_are_the_same_are_taken_in_turn() -> None:
    assert sorted(nearest_to_centres(torch.ones(5, 2), 3, generator()).tolist()) == [0, 1, 2]


def test_the_generator_decides_and_goes_on_in_the_same_way() -> None:
    points = torch.randn(60, 2, generator=generator(1))
    one, other = generator(2), generator(2)
    assert torch.equal(nearest_to_centres(points, 7, one), nearest_to_centres(points, 7, other))
    different = {tuple(nearest_to_centres(points, 7, generator(seed)).tolist()) for seed in range(8)}
    assert len(different) > 1
    nearest_to_centres(points[:0], 7, one)
    nearest_to_centres(points, 7, other)
    assert torch.equal(one.get_state(), other.get_state())


def test_the_features_of_each_class_are_normalised() -> None:
    memory = KMeans(per_class=4)
    data = Data((0, 1), 20, seed=0)
    rng = generator(5)
    memory.consolidate(stream([(0, 1)])[0], data, describe, generator(5))
    for column in (0, 1):
        mine = data.x[data.targets == column]
        chosen = nearest_to_centres(F.normalize(describe(mine)[1], dim=1), 4, rng)
        assert of_class(memory, column) == mine[chosen].tolist()
