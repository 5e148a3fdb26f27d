"""Avalanche's strategies that replay features, or samples that their features tell apart."""

from __future__ import annotations

from lifelong_kd.training.avalanche.strategy import AvalancheStrategy, Setting

__all__ = ["feature_replay", "rar"]


def feature_replay(*, mem_size: int = 200, batch_size_mem: int = 10) -> AvalancheStrategy:
    """Replay of features into the head alone, as a baseline of Avalanche's.

    Args:
        mem_size: features that are kept.
        batch_size_mem: stored features a step, at most ``mem_size``.
    """

    def prepare(setting: Setting) -> None:
        from avalanche.training.losses import MaskedCrossEntropy

        first = len(setting.stream.benchmark.train_stream[0].dataset)
        if min(mem_size, first) < batch_size_mem:
            raise setting.refuse(
                f"Avalanche waits for ever for a batch of batch_size_mem ({batch_size_mem}) features where only"
                f" {min(mem_size, first)} are kept. Lower batch_size_mem or raise mem_size."
            )
        setting.arguments["criterion"] = MaskedCrossEntropy()

    options = {"mem_size": mem_size, "batch_size_mem": batch_size_mem, "last_layer_name": "head"}
    return AvalancheStrategy(
        "avalanche/feature_replay",
        "avalanche.training.supervised:FeatureReplay",
        options,
        prepare=prepare,
        scenarios=("class", "domain"),
    )


def rar(
    *,
    mem_size: int = 200,
    batch_size_mem: int = 32,
    opt_lr: float = 0.1,
    name_ext_layer: str | None = None,
    use_adversarial_replay: bool = True,
    beta_coef: float = 0.4,
    decay_factor_fgsm: float = 1.0,
    epsilon_fgsm: float = 0.0314,
    iter_fgsm: int = 2,
) -> AvalancheStrategy:
    """Retrospective adversarial replay (Kumari et al. 2022), a plugin in Avalanche.

    Args:
        mem_size: samples that are kept.
        batch_size_mem: stored samples a step, and from the second task on also new ones: Avalanche uses it for both.
            It has no default; 32 is ours.
        opt_lr: learning rate of the step that looks ahead.
        name_ext_layer: node of the traced network whose features tell which samples are near; the last but one if null.
        use_adversarial_replay: whether stored samples are perturbed; plain replay otherwise.
        beta_coef: weight of the perturbed samples.
        decay_factor_fgsm: momentum of the perturbation.
        epsilon_fgsm: largest change of a pixel, for pixels in [0, 1].
        iter_fgsm: steps of the perturbation, and one.
    """

    def prepare(setting: Setting) -> None:
        from avalanche.training.plugins import RARPlugin

        from lifelong_kd.training.avalanche.students import plain_student

        if use_adversarial_replay and setting.stream.mean is not None:
            raise setting.refuse(
                "Avalanche clips perturbed samples to [0, 1], and the stream's are normalised. Set stream.normalize to"
                " null, or use_adversarial_replay to false."
            )
        # Traced node by node, the last but one is what comes out of the backbone.
        setting.replace_model(plain_student(setting))
        plugin = RARPlugin(
            batch_size_mem=batch_size_mem,
            mem_size=mem_size,
            opt_lr=opt_lr,
            name_ext_layer=name_ext_layer,
            use_adversarial_replay=use_adversarial_replay,
            beta_coef=beta_coef,
            decay_factor_fgsm=decay_factor_fgsm,
            epsilon_fgsm=epsilon_fgsm,
            iter_fgsm=iter_fgsm,
        )
        setting.arguments["plugins"].append(plugin)

    return AvalancheStrategy(
        "avalanche/rar", "avalanche.training.templates:SupervisedTemplate", prepare=prepare
    )
