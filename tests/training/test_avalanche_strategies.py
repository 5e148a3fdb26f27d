"""Every strategy of Avalanche by name: it learns in our engine, or it says why it cannot."""

from __future__ import annotations

import inspect
import re
from functools import partial
from pathlib import Path
from typing import Any

import avalanche.training.supervised as upstream
import numpy as np
import pytest
import torch
from avalanche.training.plugins import SynapticIntelligencePlugin
from avalanche.training.supervised.lamaml_v2 import LaMAML
from avalanche.training.templates import SupervisedTemplate

from lifelong_kd.catalogue import page
from lifelong_kd.config.signature import documented, options_of
from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy import registry
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.training.avalanche.mixing import OwnTaskCrossEntropy, with_engine
from lifelong_kd.training.avalanche.names import TARGETS
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.optimizer import sgd
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions

REFUSED = ("ar1", "bic", "expert_gate", "joint_training", "l2p", "online_naive")
RUNNING = tuple(sorted(set(TARGETS) - set(REFUSED)))
PARTICULAR: dict[str, dict[str, Any]] = {
    "cope": {"options": {"T": 1.0}, "epochs": 30},
    "lfl": {"scenario": "domain"},
    "mas": {"options": {"lambda_reg": 0.01}},
    "packnet": {"scenario": "task"},
    "pnn": {"scenario": "task"},
}
"""What a strategy asks for beyond the usual small experiment."""

OTHER_NAMES = {
    "CWRStar": "cwr_star",
    "ExpertGateStrategy": "expert_gate",
    "FeatureReplay": "feature_replay",
    "FromScratchTraining": "from_scratch",
    "GenerativeReplay": "generative_replay",
    "JointTraining": "joint_training",
    "LearningToPrompt": "l2p",
    "PNNStrategy": "pnn",
    "StreamingLDA": "streaming_lda",
    "SynapticIntelligence": "synaptic_intelligence",
}
NO_CLASSIFIERS = {
    "AETraining": "trains the autoencoders of the expert gate",
    "VAETraining": "trains the generator of generative replay",
}


def stream(scenario: str, *, validation: float = 0.0, normalize: Any = None) -> Any:
    generator = torch.Generator().manual_seed(0)
    pattern = torch.rand(4, 1, 4, 4, generator=generator)

    def samples(each: int) -> Samples:
        y = torch.arange(4).repeat_interleave(each)
        noise = 0.1 * torch.randn(len(y), 1, 4, 4, generator=generator)
        return Samples(TensorStore(((pattern[y] + noise).clamp(0, 1) * 255).round().to(torch.uint8)), y)

    source = Source(train=samples(24), test=samples(10), class_names=list("abcd"))
    return build_stream(
        "tiny",
        source,
        scenario=scenario,
        experiences=2,
        class_order=[0, 1, 2, 3],
        validation=validation,
        normalize=normalize,
        seeds=Seeds(0),
    )


def experiment(
    name: str,
    *,
    scenario: str = "class",
    head: tuple[str, dict[str, Any]] = ("linear", {}),
    model: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    normalize: str | None = None,
    validation: float = 0.0,
    evaluated: int | None = None,
    **training: Any,
) -> Experiment:
    tasks, seeds = stream(scenario, validation=validation, normalize=normalize), Seeds(0)
    with seeds.default("init"):
        network = build_network(
            tasks.input_shape, tasks.classes, model=("mlp", {"hidden": [64], **(model or {})}), head=head
        )
    return Experiment(
        settings={"strategy": {"name": f"avalanche/{name}"}, "tracking": {"log_every": 5}},
        name="check",
        stream=tasks,
        network=network,
        strategy=registry.get(f"avalanche/{name}")(**(options or {})),
        optimizer=partial(sgd, lr=0.03, momentum=0.9),
        training=TrainingOptions(**{"epochs": 10, "batch_size": 8, "eval_batch_size": 32, **training}),
        evaluation=EvaluationOptions(every=evaluated),
        trackers=(),
        seeds=seeds,
        device="cpu",
        precision="float32",
    )


@pytest.mark.parametrize("name", RUNNING)
def test_it_learns_the_task_it_is_taught(name: str, tmp_path: Path) -> None:
    tried = experiment(name, **PARTICULAR.get(name, {}))
    results = tried.run(tmp_path / "run")
    matrix = np.array(results["accuracy_matrix"])
    assert matrix.shape == (2, 2) and ((matrix >= 0) & (matrix <= 1)).all()
    chance = 0.25 if tried.stream.scenario == "class" else 0.5
    assert matrix[0, 0] > chance and matrix[1, 1] > chance
    assert np.isfinite([entry["test_loss"] for entry in results["per_task"]]).all()


@pytest.mark.parametrize("name", ["generative_replay", "gss_greedy", "replay", "pnn"])
def test_the_same_seed_gives_the_same_weights(name: str, tmp_path: Path) -> None:
    digests = []
    for run in ("first", "second"):
        # What the process drew before must not matter.
        torch.rand(len(digests) + 1)
        tried = experiment(name, **{"epochs": 2, **PARTICULAR.get(name, {})})
        results = tried.run(tmp_path / run)
        digests.append((digest(tried.engine.model), results["accuracy_matrix"]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["feature_replay", "mir", "packnet", "scr"])
def test_evaluating_within_a_task_changes_nothing(name: str, tmp_path: Path) -> None:
    ends = []
    for every in (None, 1):
        tried = experiment(name, validation=0.2, evaluated=every, **{**PARTICULAR.get(name, {}), "epochs": 2})
        results = tried.run(tmp_path / str(every))
        ends.append((digest(tried.engine.model), results["accuracy_matrix"]))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_says_what_can(name: str) -> None:
    with pytest.raises(BadCall, match=f"avalanche/{name}") as refusal:
        registry.get(f"avalanche/{name}")()
    advice = str(refusal.value).rpartition("Use ")[2]
    named = [word for word in re.findall(r"(?:avalanche/)?[a-z_0-9]+", advice) if word in registry.names()]
    assert named and not set(named) & {f"avalanche/{refused}" for refused in REFUSED}


def test_the_reasons_of_the_refusals_hold() -> None:
    from avalanche.training.plugins import bic
    from avalanche.training.supervised import ar1, expert_gate, joint_training, l2p

    assert "verbose=False" in inspect.getsource(bic.BiCPlugin.bias_correction_step)
    assert "verbose" not in inspect.signature(torch.optim.lr_scheduler.MultiStepLR).parameters
    assert "MobilenetV1(pretrained=True" in inspect.getsource(ar1.AR1.__init__)
    assert "pretrained_flag" not in inspect.getsource(expert_gate._ExpertGatePlugin._add_autoencoder)
    assert "AlreadyTrainedError" in inspect.getsource(joint_training.JointTraining.train)
    assert "create_model(" in inspect.getsource(l2p.LearningToPrompt.__init__)
    assert "model" not in inspect.signature(l2p.LearningToPrompt.__init__).parameters


@pytest.mark.parametrize(
    ("name", "how", "why"),
    [
        ("der", {"head": ("linear", {"grow": True})}, "head"),
        ("icarl", {"head": ("linear", {"grow": True})}, "head"),
        ("cwr_star", {"head": ("cosine", {})}, "linear"),
        ("packnet", {}, "task-incremental"),
        ("packnet", {"scenario": "task", "model": {"batch_norm": True}}, "norms"),
        ("packnet", {"scenario": "task", "epochs": 1}, "post_prune_epochs"),
        ("pnn", {}, "task-incremental"),
        ("lwf", {"scenario": "task"}, "incremental"),
        ("lwf", {"options": {"alpha": [1.0]}}, "alpha"),
        ("er_aml", {"batch_size": 32}, "training.batch_size"),
        ("er_aml", {"options": {"mem_size": 16}}, "mem_size"),
        ("gss_greedy", {"options": {"mem_size": 32}}, "mem_size"),
        ("feature_replay", {"options": {"mem_size": 4}}, "batch_size_mem"),
        ("mer", {"model": {"batch_norm": True}}, "single samples"),
        ("lamaml", {"options": {"n_inner_updates": 9}}, "n_inner_updates"),
        ("mer", {"grad_clip": 1.0}, "grad_clip"),
        ("rar", {"normalize": "auto"}, "normalize"),
        ("ewc", {"options": {"mode": "online"}}, "decay_factor"),
        ("feature_distillation", {"options": {"mode": "mse"}}, "cosine"),
        ("generative_replay", {"batch_size": 47}, "single sample"),
    ],
)
def test_what_would_break_later_is_refused_when_it_is_built(name: str, how: dict[str, Any], why: str) -> None:
    with pytest.raises(BadCall, match=why):
        experiment(name, **how)


@pytest.mark.parametrize("name", ["cumulative", "er_ace", "ewc", "lwf", "naive", "replay"])
def test_a_head_may_grow(name: str, tmp_path: Path) -> None:
    matrix = experiment(name, head=("linear", {"grow": True})).run(tmp_path / "run")["accuracy_matrix"]
    assert matrix[0][0] > 0.5 and matrix[1][1] > 0.3


def test_the_table_holds_every_classifier_of_avalanche() -> None:
    found = {
        name
        for name, value in vars(upstream).items()
        if inspect.isclass(value)
        and issubclass(value, SupervisedTemplate)
        and value is not SupervisedTemplate
    }
    assert len(found) >= 30
    missing = {name for name in found if OTHER_NAMES.get(name, name.lower()) not in TARGETS} - set(
        NO_CLASSIFIERS
    )
    assert not missing
    assert {"lamaml", "rwalk", "rar", "feature_distillation", "online_naive"} <= set(TARGETS)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_option_is_typed_and_documented(name: str) -> None:
    factory = registry.get(f"avalanche/{name}")
    options = options_of(factory, name)
    assert set(documented(factory)[1]) == set(options)
    assert registry.entry(f"avalanche/{name}").summary()
    assert f"avalanche/{name}" in page("strategy", f"avalanche/{name}")


def test_a_strategys_own_forward_is_kept_and_the_engine_does_the_rest() -> None:
    mixed = with_engine(upstream.StreamingLDA)
    assert mixed.forward is upstream.StreamingLDA.forward
    assert "return_features" in inspect.signature(mixed.forward).parameters
    plain = with_engine(LaMAML)
    assert plain.forward is not LaMAML.forward


def test_own_task_cross_entropy_by_hand() -> None:
    criterion = OwnTaskCrossEntropy(torch.tensor([0, 0, 1, 1]))
    logits = torch.tensor([[1.0, 2.0, 90.0, 0.0], [50.0, 0.0, 3.0, 3.0]])
    expected = (np.log(1 + np.exp(1.0)) + np.log(2)) / 2
    assert criterion(logits, torch.tensor([0, 3])).item() == pytest.approx(expected, rel=1e-6)


def test_lwf_is_avalanches_own(tmp_path: Path) -> None:
    """One batch a task, so that no order matters: the weights are those of Avalanche's LwF in a plain loop."""
    options = {"alpha": 10.0, "temperature": 2.0}
    ours = experiment("lwf", options=options, batch_size=48)
    ours.run(tmp_path / "run")
    tasks = stream("class")
    with Seeds(0).default("init"):
        network = build_network(tasks.input_shape, 4, model=("mlp", {"hidden": [64]}), head=("linear", {}))
    theirs = upstream.LwF(
        model=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.9),
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=48,
        train_epochs=10,
        evaluator=None,
        **options,
    )
    for experience in tasks.benchmark.train_stream:
        theirs.train(experience, reset_optimizer_state=True)
    for (name, mine), other in zip(ours.engine.model.named_parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5, msg=name)
    # Without the distillation term the weights are others: the comparison would notice if it were missing.
    without = experiment("naive", batch_size=48)
    without.run(tmp_path / "without")
    assert not torch.allclose(without.engine.model.head.weight, network.head.weight, atol=1e-3)


def test_synaptic_intelligence_measures_a_path(tmp_path: Path) -> None:
    """Avalanche's own finds the same weights before and after each step, on the CPU."""
    tried = experiment("synaptic_intelligence", epochs=1)
    tried.run(tmp_path / "run")
    (plugin,) = [found for found in tried.engine.plugins if isinstance(found, SynapticIntelligencePlugin)]
    assert sum(float(importance.data.abs().sum()) for importance in plugin.ewc_data[1].values()) > 0
