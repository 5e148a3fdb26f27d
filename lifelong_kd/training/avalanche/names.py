"""Where each of Avalanche's own strategies is; light, so that listing them imports nothing."""

from __future__ import annotations

__all__ = ["TARGETS"]

_FILES: dict[str, tuple[str, ...]] = {
    "plain": ("naive", "cumulative", "from_scratch"),
    "regularisation": ("lwf", "ewc", "synaptic_intelligence", "mas", "rwalk", "lfl", "feature_distillation"),
    "replay": ("replay", "gdumb", "mir", "er_ace", "er_aml", "der"),
    "replay_features": ("feature_replay", "rar"),
    "gradients": ("agem", "gem", "gss_greedy", "mer", "lamaml"),
    "prototypes": ("icarl", "cope", "scr", "streaming_lda", "cwr_star"),
    "architecture": ("pnn", "packnet", "generative_replay"),
    "refused": ("joint_training", "online_naive", "bic", "ar1", "l2p", "expert_gate"),
}

TARGETS: dict[str, str] = {
    name: f"lifelong_kd.training.avalanche.{file}:{name}" for file, names in _FILES.items() for name in names
}
"""Name -> factory, as a registry keeps it. The name in a configuration is ``avalanche/<name>``."""
