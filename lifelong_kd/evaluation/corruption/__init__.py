"""Corruptions of images by family and severity, seeded: what a corrupted benchmark measures, without a download.

The scheme, families at five severities each, is that of Hendrycks and Dietterich, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations" (ICLR 2019, arXiv:1903.12261). The families and levels are our own:
numbers on CIFAR-C or ImageNet-C are not comparable with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lifelong_kd.evaluation.corruption.blur import blur
from lifelong_kd.evaluation.corruption.contrast import contrast
from lifelong_kd.evaluation.corruption.jpeg import jpeg
from lifelong_kd.evaluation.corruption.levels import SEVERITIES, Corruption
from lifelong_kd.evaluation.corruption.noise import noise
from lifelong_kd.evaluation.corruption.shift import shift

__all__ = ["CORRUPTIONS", "SEVERITIES", "Corruption", "blur", "contrast", "jpeg", "noise", "shift"]

CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {"noise": noise, "blur": blur, "contrast": contrast, "jpeg": jpeg, "shift": shift}
)
"""Every family by name."""
