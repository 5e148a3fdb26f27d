"""Brain-inspired replay."""

from __future__ import annotations

from lifelong_kd.generator.feedback import Feedback
from lifelong_kd.generator.likelihood import Likelihood
from lifelong_kd.knowledge.options import positive
from lifelong_kd.schedule.ratio import Complement, InverseTask, TaskRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.feedback import Reconstruct
from lifelong_kd.strategy.recall import Recall
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["bir"]


def bir(
    *,
    hidden: list[int] = [400, 400],  # noqa: B006 - it is only read
    latent: int = 100,
    gates: float = 0.1,
    likelihood: Likelihood = "auto",
    lr: float = 0.001,
    generator_batch: int | None = None,
    temperature: float = 2.0,
    task_loss: Classes = "all",
) -> Strategy:
    """BI-R: the student is its own generator, of a class at a time, through connections back from its features.

    ``L = 1/t (CE + R)(new batch) + (1 - 1/t) (T^2 KL(teacher^T || student^T) / T^2 + R)(generated batch)`` in task t =
    1, 2, ...; ``R = mean over entries of -log p(x | z) + (log q(z | x) - log p(z)) / entries`` is the loss of an
    autoencoder whose encoder is the student up to its features. A class among those seen is drawn, a code z from the
    class's own learned Gaussian, and the decoder, some of whose units are silent for the class, makes the sample.

    Paper: van de Ven, Siegelmann, Tolias 2020, "Brain-inspired replay for continual learning with artificial neural
    networks", Nature Communications 11:4069, doi:10.1038/s41467-020-17866-2: replay through feedback, conditional
    replay, gating by internal context and distillation, weighed as in its code. Its replay inside the network begins
    behind convolutions that were trained beforehand; without those, as on MNIST, samples are replayed at the input, as
    here. The decoder has a learning rate of its own; at the student's, with Adam, that is one optimiser for both.

    Args:
        hidden: units of the decoder's layers, in the order of the student's own hidden layers, which they mirror.
        latent: entries of a code.
        gates: probability, in [0, 1), that a unit of the decoder is silent for a class, in a domain-incremental stream
            for a task; the code's values for Split-MNIST are 0 in the task, 0.1 in the domain and the class scenario.
        likelihood: ``bernoulli`` for values in [0, 1], such as pixels; ``gaussian``, of variance 1, for any; ``auto``:
            the first if it fits the first task's samples.
        lr: learning rate of the Adam that trains what lies behind the features.
        generator_batch: samples replayed a step, at least 1; as many as the new batch if null.
        temperature: T, softens teacher and student.
        task_loss: over which classes the cross-entropy of the new batch is taken: ``all`` columns, those ``seen`` so
            far, or the ``new``.
    """
    square = positive("temperature", temperature) ** 2
    generator = Feedback(hidden=hidden, latent=latent, gates=gates, likelihood=likelihood, lr=lr)
    teacher, share = Snapshot(), TaskRatio()
    again = Reconstruct(generator, teacher, temperature=temperature, source="generated", weight=share)
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=Complement(of=share),
        terms={
            "replay": Recall(
                teacher, temperature=temperature, weight=TaskRatio(scale=1.0 / square), own_head=True
            ),
            "feedback": Reconstruct(generator, weight=InverseTask()),
            "feedback_replayed": again,
        },
        generator=generator,
        generator_batch=generator_batch,
    )
