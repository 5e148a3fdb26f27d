"""Softmax and divergence where some classes have no logit or no probability."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["divergence", "known_columns", "log_probabilities"]


def known_columns(teacher: Tensor) -> Tensor:
    """Where the teacher has a logit: neither NaN (no such column yet) nor -inf (padded, probability 0)."""
    return ~(teacher.isnan() | (teacher == -math.inf))


def log_probabilities(logits: Tensor, known: Tensor, dim: int = 1) -> Tensor:
    """Log-softmax along ``dim`` over the known entries alone; the others get -inf."""
    some = known.any(dim=dim, keepdim=True)
    return F.log_softmax(logits.masked_fill(~known & some, -math.inf), dim=dim).masked_fill(~known, -math.inf)


def divergence(log_q: Tensor, log_p: Tensor) -> Tensor:
    """``sum_c p_c (log p_c - log q_c)`` over the columns; one with p = 0 adds exactly 0."""
    gap = torch.where(log_p == -math.inf, 0.0, log_p - log_q)
    return (log_p.exp() * gap).sum(dim=1)
