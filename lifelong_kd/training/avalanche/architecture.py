"""Avalanche's strategies with networks of their own: new columns, pruned weights, a generator beside the student."""

from __future__ import annotations

from typing import Any, Literal

from lifelong_kd.training.avalanche.strategy import AvalancheStrategy, Setting

__all__ = ["generative_replay", "packnet", "pnn"]

SUPERVISED = "avalanche.training.supervised"


def pnn(
    *, num_layers: int = 1, hidden_features_per_column: int = 100, adapter: Literal["mlp", "linear"] = "mlp"
) -> AvalancheStrategy:
    """Progressive neural network: a new column for each task, fed by the frozen ones (Rusu et al. 2016).

    Task-incremental only. It is a network of fully connected layers of its own: the model of the configuration is not
    used.

    Args:
        num_layers: layers of each column, at least 1.
        hidden_features_per_column: units of each layer.
        adapter: how earlier columns are fed in, from the second layer on; the first has ``mlp``.
    """

    def prepare(setting: Setting) -> None:
        from lifelong_kd.training.avalanche.students import Progressive

        model = Progressive(setting, layers=num_layers, hidden=hidden_features_per_column, adapter=adapter)
        setting.replace_model(model)

    return AvalancheStrategy(
        "avalanche/pnn", f"{SUPERVISED}:PNNStrategy", prepare=prepare, grows=True, scenarios=("task",)
    )


def packnet(*, post_prune_epochs: int = 1, prune_proportion: float | list[float] = 0.5) -> AvalancheStrategy:
    """PackNet: each task keeps its share of the weights, and leaves the rest to the later (Mallya and Lazebnik 2018).

    Task-incremental only, for models of linear layers and convolutions without normalisation.

    Args:
        post_prune_epochs: the last epochs of each task, in which only the weights that stay are trained; less than
            ``training.epochs``. Avalanche has no default; 1 is ours.
        prune_proportion: share of the weights that is left to later tasks, or one a task, in [0, 1]. Avalanche has no
            default; 0.5 is the paper's.
    """

    def prepare(setting: Setting) -> None:
        from lifelong_kd.training.avalanche.students import Pruned, plain_student

        if post_prune_epochs >= int(setting.arguments["train_epochs"]):
            raise setting.refuse(
                f"post_prune_epochs ({post_prune_epochs}) must be less than training.epochs"
                f" ({setting.arguments['train_epochs']})"
            )
        if any(group.get("weight_decay") for group in setting.optimizer.param_groups):
            raise setting.refuse(
                "optimizer.weight_decay would change the weights that earlier tasks keep; set it to 0"
            )
        setting.replace_model(Pruned(plain_student(setting)))

    options = {"post_prune_epochs": post_prune_epochs, "prune_proportion": prune_proportion}
    return AvalancheStrategy(
        "avalanche/packnet", f"{SUPERVISED}:PackNet", options, prepare=prepare, scenarios=("task",)
    )


def generative_replay(
    *,
    latent: int = 2,
    generator_lr: float = 0.01,
    replay_size: int | None = None,
    increasing_replay_size: bool = False,
    is_weighted_replay: bool = False,
    weight_replay_loss_factor: float = 1.0,
    weight_replay_loss: float = 0.0001,
) -> AvalancheStrategy:
    """Deep generative replay: a variational autoencoder makes up earlier samples (Shin et al. 2017).

    Avalanche's generator is fully connected and writes images; its default is for 28 x 28 grey pixels, here it is
    built for the stream's shape and normalisation. It is trained for ``training.epochs`` after each task.

    Args:
        latent: size of the generator's code.
        generator_lr: learning rate of the generator (Adam, weight decay 1e-4).
        replay_size: made-up samples a step; as many as new ones if null.
        increasing_replay_size: whether their number grows with the tasks.
        is_weighted_replay: whether made-up samples have a weighted loss of their own, instead of joining the batch.
        weight_replay_loss_factor: what that weight is multiplied with after each step.
        weight_replay_loss: that weight at the start.
    """
    options = {
        "replay_size": replay_size,
        "increasing_replay_size": increasing_replay_size,
        "is_weighted_replay": is_weighted_replay,
        "weight_replay_loss_factor": weight_replay_loss_factor,
        "weight_replay_loss": weight_replay_loss,
    }

    def prepare(setting: Setting) -> None:
        stream = setting.stream
        if len(stream.input_shape) != 3:
            raise setting.refuse(
                f"its generator writes images, and the stream's samples have shape {stream.input_shape}"
            )
        first = len(stream.benchmark.train_stream[0].dataset)
        if first % setting.batch_size == 1:
            raise setting.refuse(
                f"the generator has BatchNorm, and the last batch of the first task ({first} samples in batches of"
                f" {setting.batch_size}) is a single sample. Change training.batch_size."
            )
        setting.arguments["generator_strategy"] = generator(setting, latent, generator_lr, options)

    return AvalancheStrategy(
        "avalanche/generative_replay", f"{SUPERVISED}:GenerativeReplay", options, prepare=prepare
    )


def generator(setting: Setting, latent: int, lr: float, options: dict[str, Any]) -> Any:
    """Avalanche's training of its own generator, for the samples of the stream."""
    import torch
    from avalanche.models.generator import MlpVAE, VAE_loss
    from avalanche.training.plugins import GenerativeReplayPlugin
    from avalanche.training.supervised import VAETraining
    from torchvision.transforms import Normalize

    stream, arguments = setting.stream, setting.arguments
    model = MlpVAE(stream.input_shape, nhid=latent, n_classes=stream.classes, device=arguments["device"])
    # Avalanche's decoder ends with the normalisation of MNIST, whatever the data.
    model.decoder.invTrans = torch.nn.Identity()
    if stream.mean is not None and stream.std is not None:
        model.decoder.invTrans = Normalize(stream.mean, stream.std)
    return VAETraining(
        model=model.to(arguments["device"]),
        optimizer=torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-4),
        criterion=VAE_loss,
        plugins=[GenerativeReplayPlugin(**options)],
        evaluator=None,
        **{name: arguments[name] for name in ("train_mb_size", "train_epochs", "eval_mb_size", "device")},
    )
