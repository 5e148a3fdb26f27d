"""Avalanche's own strategies by name; light, so that listing them imports nothing."""

NAMES: dict[str, str] = {
    "ewc": "Elastic weight consolidation (Kirkpatrick et al. 2017).",
}
"""Name -> one sentence. The name is an attribute of :mod:`lifelong_kd.training.avalanche_strategy`."""
