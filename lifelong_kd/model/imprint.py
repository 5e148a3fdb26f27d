"""Imprinting: the rows of new classes begin as the means of their features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.cosine import CosineHead
from lifelong_kd.model.head import Head
from lifelong_kd.model.linear import LinearHead
from lifelong_kd.model.lsc import LSCHead

__all__ = ["class_mean", "cluster_centres", "imprint"]


def class_mean(features: Tensor) -> Tensor:
    """The normalised mean (D) of the normalised features (n, D): Qi et al. 2018, arXiv 1712.07136, section 3.2.

    >>> class_mean(torch.tensor([[2.0, 0.0], [0.0, 5.0]]))
    tensor([0.7071, 0.7071])
    """
    return F.normalize(F.normalize(features, dim=1).mean(dim=0), dim=0)


def cluster_centres(features: Tensor, count: int, seed: int) -> Tensor:
    """Centres (count, D) of k-means on the normalised features (n, D); some centres coincide if n is below ``count``.

    k-means++ and Lloyd's algorithm of scikit-learn, from one start.
    """
    from sklearn.cluster import KMeans  # takes a while to import, and only this function needs it
    from sklearn.exceptions import ConvergenceWarning

    points = F.normalize(features.detach(), dim=1).double().cpu()
    clusters = KMeans(n_clusters=min(count, len(points)), n_init=1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters.fit(points.numpy())
    centres = torch.from_numpy(clusters.cluster_centers_).to(features)
    return centres[torch.arange(count) % len(centres)]


@torch.no_grad()
def imprint(
    head: Head,
    features: Tensor,
    y: Tensor,
    classes: Sequence[int],
    *,
    old: Sequence[int] | None = None,
    seed: int = 0,
) -> None:
    """Overwrite the rows of ``classes`` with what their features look like, at the mean length of the old rows.

    ``w_c = mean_{o old} ||w_o|| * m / ||m||`` with m the mean of the class's normalised features, for the heads
    ``linear`` and ``cosine``: Qi, Brown, Lowe, "Low-Shot Learning with Imprinted Weights" (2018, arXiv 1712.07136),
    scaled as LUCIR's code does. The bias of a linear head becomes the mean of the old ones. For ``lsc`` the proxies of
    a class are the centres of k-means on its normalised features times that length, as in the code of PODNet (arXiv
    2004.13513).

    The parameters stay the same objects. A class without samples keeps its rows.

    Args:
        head: whose rows are changed.
        features: inputs of the head, shape (n, D).
        y: their classes, int64, shape (n,); those of other classes are left out.
        classes: the new classes, each with a column in the head.
        old: the classes whose rows give the length; every other column of the head if ``None``. Where there are none,
            it is the mean length of the rows that are overwritten.
        seed: of k-means.

    Raises:
        BadCall: for a head of another kind, or a class without a column.
    """
    if not isinstance(head, LinearHead | CosineHead | LSCHead):
        raise BadCall(f"the head {type(head).__name__} cannot be imprinted; use 'linear', 'cosine' or 'lsc'.")
    lost = sorted(c for c in (*classes, *(old or ())) if not 0 <= c < head.width)
    if lost:
        raise BadCall(f"classes {lost} have no column in the head, whose columns are 0 to {head.width - 1}.")
    known = list(old) if old is not None else [c for c in range(head.width) if c not in set(classes)]
    length = head.weight[known or list(classes)].norm(dim=-1).mean()
    y = y.to(features.device)
    for column in classes:
        mine = features[y == column]
        if not len(mine):
            continue
        if isinstance(head, LSCHead):
            row = cluster_centres(mine, head.proxies, seed)
        else:
            row = class_mean(mine)
        head.weight[column] = (row * length).to(head.weight)
        if isinstance(head, LinearHead) and head.bias is not None:
            head.bias[column] = head.bias[known].mean() if known else 0.0
