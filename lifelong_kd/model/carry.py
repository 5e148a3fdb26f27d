"""What a head has learned, handed on to another of its kind."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.model.head import Head
from lifelong_kd.model.picks import NEW

__all__ = ["carry_head"]


@torch.no_grad()
def carry_head(old: Head, new: Head, features: Tensor | None = None) -> bool:
    """Give ``new`` the rows of ``old``, class by class, and what else it has learned; in place.

    Both have grown for the same classes in the same order.

    Args:
        old: the head that has learned.
        new: one of the same kind.
        features: for each of its features which one of ``old`` it is, ``NEW`` for none, shape (features,); if null
            they are the same.

    Returns:
        Whether it did: not between heads of two kinds, nor of two sizes if ``features`` is not given.
    """
    if type(old) is not type(new) or (features is None and old.feature_size != new.feature_size):
        return False
    columns = torch.arange(old.feature_size) if features is None else features
    theirs, mine = old.state_dict(), new.state_dict()
    for name, value in mine.items():
        was = theirs.get(name)
        if was is None:
            continue
        wide = value.dim() > 1 and value.shape[-1] == new.feature_size
        was = was.to(value)
        if wide:
            was = was[..., columns.clamp(min=0)]
            was[..., columns == NEW] = 0
        if was.dim() and len(was) < len(value) and was.shape[1:] == value.shape[1:]:
            value[: len(was)] = was
        elif was.shape == value.shape:
            value.copy_(was)
    return True
