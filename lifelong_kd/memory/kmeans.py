"""Exemplars spread over each class: those nearest to the centres of its clusters."""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans as Clusters
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from lifelong_kd.memory.exemplars import Exemplars

__all__ = ["KMeans", "nearest_to_centres"]


def nearest_to_centres(features: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Positions of the sample nearest to the centre of each of ``count`` clusters, those of the largest cluster first.

    k-means++ and Lloyd's algorithm of scikit-learn, from one start, seeded by ``generator``. No sample is chosen twice:
    a centre whose nearest sample is taken gets the nearest one that is free.

    Args:
        features: shape (samples, dimensions).
        count: how many to choose; all of them if there are fewer.
        generator: draws the seed, also where nothing is left to chance.

    Returns:
        Positions, int64, shape (min(count, samples),).

    >>> points = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1]])
    >>> nearest_to_centres(points, 2, torch.Generator().manual_seed(0)).tolist()[0]
    1
    """
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    count = min(count, len(features))
    if count == 0:
        return torch.empty(0, dtype=torch.int64)
    points = features.detach().double().cpu()
    clusters = Clusters(n_clusters=count, n_init=1, random_state=seed)
    with warnings.catch_warnings():
        # Fewer different points than clusters: some centres coincide, and their samples are taken in turn.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = clusters.fit_predict(points.numpy())
    sizes = torch.bincount(torch.from_numpy(found).long(), minlength=count)
    distance = torch.cdist(torch.from_numpy(clusters.cluster_centers_), points)
    chosen: list[int] = []
    for centre in sizes.argsort(descending=True, stable=True).tolist():
        distance[:, chosen[-1:]] = torch.inf
        chosen.append(int(distance[centre].argmin()))
    return torch.tensor(chosen)


class KMeans(Exemplars):
    """Exemplars nearest to the centres of k-means on the normalised features of their class, one for each centre.

    They cover a class where herding stays near its mean. A smaller budget keeps those of the largest clusters.

    Args:
        total: number of exemplars shared evenly by all classes seen so far.
        per_class: number of exemplars of each class instead.
    """

    def choose(self, features: Tensor, count: int, generator: torch.Generator) -> Tensor:
        return nearest_to_centres(F.normalize(features, dim=1), count, generator)
