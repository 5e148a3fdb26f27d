"""The engine's options do what they say, and nothing else."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.knowledge.gradcam import GradCam
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.phase.warm_up import WarmUp
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.joint import joint
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.replay import replay
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.image_folder import image_folder
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.tracking.base import Tracker
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.interrupt import Interrupted
from lifelong_kd.training.keeper import Keeper
from lifelong_kd.training.loader import BatchLoader
from lifelong_kd.training.optimizer import sgd
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions


class Notes(Tracker):
    """Keeps everything that is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any], dict[str, int]]] = []

    def start(self, run: Any) -> None:
        self.run = run

    def log(self, values: Any, axis: str, step: Any) -> None:
        self.lines.append((axis, dict(values), dict(step)))

    def finish(self, status: str) -> None:
        self.status = status


def end(folder: Path, strategy: Any, **options: Any) -> tuple[str, Any]:
    experiment = small_experiment(strategy, **options)
    results = experiment.run(folder)
    return digest(experiment.engine.model), results


# ---- the teacher cache ------------------------------------------------------------------------------------------


def test_cached_and_online_teachers_end_alike(tmp_path: Path) -> None:
    """Batches of another size round differently, so the weights are compared, not their digests."""
    models = {}
    for mode in ("off", "on", "check"):
        experiment = small_experiment(lwf(weight=2.0), teacher_cache=mode)
        experiment.run(tmp_path / mode)
        models[mode] = experiment.engine.model.state_dict()
    for mode in ("on", "check"):
        for name, value in models["off"].items():
            assert torch.allclose(value.float(), models[mode][name].float(), atol=1e-4), (mode, name)


def test_the_cache_is_asked_in_every_epoch(tmp_path: Path) -> None:
    experiment = small_experiment(lwf(), teacher_cache="on", epochs=3)
    hits = []
    teacher = experiment.plugin.strategy.teachers["kd"]  # type: ignore[union-attr]
    observe = teacher.observe

    def before_it_goes(model: nn.Module, task: Any) -> None:
        if teacher.cache is not None:  # type: ignore[attr-defined]
            hits.append(teacher.cache.hits)  # type: ignore[attr-defined]
        observe(model, task)

    teacher.observe = before_it_goes  # type: ignore[method-assign]
    experiment.run(tmp_path)
    samples = [len(part) for part in experiment.stream.parts["train"]]  # type: ignore[index]
    assert hits == [3 * count for count in samples[1:]]


def test_check_mode_finds_a_view_that_changes(tmp_path: Path) -> None:
    experiment = small_experiment(lwf(), teacher_cache="check")
    pipeline = experiment.engine.pipeline
    plain = pipeline.train
    # A pipeline that claims to be reproducible and is not: exactly what check mode is for.
    pipeline.train = lambda raw, generator=None: plain(raw, generator) + torch.rand(1)
    with pytest.raises(RunFailed, match="cached outputs"):
        experiment.run(tmp_path)


# ---- length and rate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "steps"), [({"epochs": 3}, 9), ({"iterations": 7}, 7), ({"iterations": 2}, 2)]
)
def test_a_task_has_as_many_steps_as_asked_for(tmp_path: Path, options: dict[str, int], steps: int) -> None:
    experiment = small_experiment(naive(), **options)
    counted: list[int] = []
    original = experiment.engine.train

    def train(*args: Any, **kwargs: Any) -> Any:
        before = experiment.engine.clock.train_iterations
        result = original(*args, **kwargs)
        counted.append(experiment.engine.clock.train_iterations - before)
        return result

    experiment.engine.train = train
    experiment.run(tmp_path)
    # 2 classes x 24 samples in batches of 16: three steps a pass.
    assert counted == [steps] * 3


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({"lr_schedule": "constant"}, [0.05, 0.05, 0.05, 0.05]),
        ({"lr_schedule": "steps", "lr_milestones": (1, 3), "lr_factor": 0.1}, [0.05, 0.005, 0.005, 0.0005]),
        # Half a cosine: 0.05 * (1 + cos(pi * e / 4)) / 2.
        ({"lr_schedule": "cosine"}, [0.05, 0.042678, 0.025, 0.007322]),
    ],
)
def test_the_learning_rate_follows_its_schedule_in_every_task(
    tmp_path: Path, options: dict[str, Any], rates: list[float]
) -> None:
    experiment = small_experiment(naive(), epochs=4, **options)
    seen: list[float] = []
    epoch = experiment.engine.training_epoch

    def watched(**kwargs: Any) -> None:
        seen.append(experiment.engine.optimizer.param_groups[0]["lr"])
        epoch(**kwargs)

    experiment.engine.training_epoch = watched
    experiment.run(tmp_path)
    assert seen == pytest.approx(rates * 3, rel=1e-4)


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    experiment = small_experiment(naive(), grad_clip=1e-3)
    norms: list[float] = []
    step = experiment.engine.optimizer_step

    def watched() -> None:
        step()
        grads = [p.grad for p in experiment.engine.model.parameters() if p.grad is not None]
        norms.append(float(torch.cat([g.flatten() for g in grads]).norm()))

    experiment.engine.optimizer_step = watched
    experiment.run(tmp_path)
    assert max(norms) <= 1e-3 * 1.01


# ---- precision, compilation, layout ------------------------------------------------------------------------------


def test_bf16_computes_in_bfloat16_and_keeps_float32_weights(tmp_path: Path) -> None:
    experiment = small_experiment(lwf(weight=1.0))
    experiment.engine.bf16 = True
    dtypes = set()
    experiment.engine.model.head.register_forward_pre_hook(lambda module, inputs: dtypes.add(inputs[0].dtype))
    results = experiment.run(tmp_path)
    assert torch.bfloat16 in dtypes
    assert {p.dtype for p in experiment.engine.model.parameters()} == {torch.float32}
    assert results["average_accuracy"] > 1 / 6


def test_compile_gives_the_same_model_to_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    real = torch.compile

    def counting(model: nn.Module, **kwargs: Any) -> Any:
        compiled.append(model)
        return real(model, backend="aot_eager", **kwargs)

    monkeypatch.setattr(torch, "compile", counting)
    plain = small_experiment(lwf(), dropout=0.0)
    plain.run(tmp_path / "plain")
    fast = small_experiment(lwf(), dropout=0.0, compile=True)
    fast.run(tmp_path / "fast")
    assert compiled == [fast.engine.model.backbone]
    for name, value in plain.engine.model.state_dict().items():
        assert torch.allclose(value.float(), fast.engine.model.state_dict()[name].float(), atol=1e-4), name


def test_channels_last_reaches_the_model(tmp_path: Path) -> None:
    experiment = small_experiment(naive(), channels_last=True)
    seen = []
    experiment.engine.model.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    experiment.run(tmp_path)
    assert seen and all(seen)


# ---- data ---------------------------------------------------------------------------------------------------------


def test_joint_trains_on_everything_seen_so_far(tmp_path: Path) -> None:
    experiment = small_experiment(joint())
    sizes = []
    original = experiment.engine._train_exp

    def watched(*args: Any, **kwargs: Any) -> None:
        sizes.append(len(experiment.engine.dataloader.data))
        original(*args, **kwargs)

    experiment.engine._train_exp = watched
    experiment.run(tmp_path)
    assert sizes == [48, 96, 144]


def test_exemplars_join_the_training_set_on_the_fast_path(tmp_path: Path) -> None:
    experiment = small_experiment(icarl(memory=12))
    seen: list[tuple[int, bool]] = []
    original = experiment.engine._train_exp

    def watched(*args: Any, **kwargs: Any) -> None:
        loader = experiment.engine.dataloader
        seen.append((len(loader.data), isinstance(loader, BatchLoader)))
        original(*args, **kwargs)

    experiment.engine._train_exp = watched
    experiment.run(tmp_path)
    assert seen == [(48, True), (60, True), (60, True)]


def image_tree(root: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 12), ("test", 4)):
        for number, name in enumerate(("ant", "bee", "cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                noise = torch.randint(0, 40, (6, 6, 3), generator=generator)
                pixels = (noise + 50 * number).to(torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / f"{i}.png")
    return root


def folder_experiment(root: Path, *, in_memory: bool, workers: int) -> Experiment:
    seeds = Seeds(0)
    source = image_folder(root, seeds)
    stream = build_stream("image_folder", source, experiences=2, in_memory=in_memory, seeds=seeds)
    with seeds.default("init"):
        network = build_network(stream.input_shape, stream.classes, model=("mlp", {"hidden": [8]}))
    return Experiment(
        settings={},
        name="folder",
        stream=stream,
        network=network,
        strategy=replay(memory=8),
        optimizer=partial(sgd, lr=0.05),
        training=TrainingOptions(epochs=2, batch_size=8, workers=workers),
        evaluation=EvaluationOptions(),
        trackers=[],
        seeds=seeds,
        device="cpu",
        precision="float32",
    )


def test_data_in_files_give_the_same_numbers_as_data_in_memory(tmp_path: Path) -> None:
    root = image_tree(tmp_path / "data")
    ends = []
    for name, in_memory, workers in (("memory", True, 0), ("files", False, 0), ("workers", False, 2)):
        experiment = folder_experiment(root, in_memory=in_memory, workers=workers)
        results = experiment.run(tmp_path / name)
        ends.append((digest(experiment.engine.model), results["accuracy_matrix"]))
    assert ends[0] == ends[1] == ends[2]


# ---- evaluation and tracking ------------------------------------------------------------------------------------


def test_terms_are_logged_raw_and_weighted(tmp_path: Path) -> None:
    notes = Notes()
    small_experiment(lwf(weight=[0, 0.5, 2.0]), trackers=[notes]).run(tmp_path)
    lines = [(values, step["task"]) for axis, values, step in notes.lines if axis == "iteration"]
    assert all("train/loss/kd" not in values for values, task in lines if task == 0)
    for values, task in lines:
        if task:
            weight = [0, 0.5, 2.0][task]
            assert values["train/loss/kd_weighted"] == pytest.approx(weight * values["train/loss/kd"])
            total = values["train/loss/task"] + values["train/loss/kd_weighted"]
            assert values["train/loss"] == pytest.approx(total, rel=1e-4)
    assert {task for _, task in lines} == {0, 1, 2}


def test_evaluation_inside_a_task_is_on_validation_data_of_tasks_so_far(tmp_path: Path) -> None:
    notes = Notes()
    small_experiment(naive(), trackers=[notes], every=1).run(tmp_path)
    epochs = [(sorted(values), step["epoch"]) for axis, values, step in notes.lines if axis == "epoch"]
    keys = [[f"validation/accuracy/{number}" for number in range(task + 1)] for task in range(3)]
    assert epochs == [(keys[0], 1), (keys[0], 2), (keys[1], 3), (keys[1], 4), (keys[2], 5), (keys[2], 6)]


def test_results_hold_what_was_measured(tmp_path: Path) -> None:
    experiment = small_experiment(lwf(weight=1.0))
    results = experiment.run(tmp_path)
    matrix = results["accuracy_matrix"]
    assert [len(row) for row in matrix] == [3, 3, 3]
    assert results["average_accuracy"] == pytest.approx(sum(matrix[2]) / 3)
    assert len(results["accuracy_before"]) == 3
    assert [entry["classes"] for entry in results["per_task"]] == [["0", "1"], ["2", "3"], ["4", "5"]]
    for number, entry in enumerate(results["per_task"]):
        assert entry["test_accuracy"] == matrix[number][number]
        assert entry["generalisation_gap"] == pytest.approx(entry["train_accuracy"] - entry["test_accuracy"])
    # Reading by task can only be right more often than reading by class.
    by_task = results["readings"]["task"]["accuracy_matrix"]
    assert all(
        t >= c
        for row_t, row_c in zip(by_task, matrix, strict=True)
        for t, c in zip(row_t, row_c, strict=True)
    )
    confusion = torch.tensor(results["confusion_matrix"])
    assert confusion.sum(dim=1).tolist() == [10] * 6
    assert float(confusion.diagonal().sum()) / 60 == pytest.approx(results["average_accuracy"])
    cost = results["cost"]
    assert 0 < cost["teacher_share"] < 1
    # 2 epochs of 48 samples in each of 3 tasks.
    assert cost["samples"] == 2 * 48 * 3
    # 16x16 inputs weights + BatchNorm + 16x6 head, with biases.
    assert cost["parameters"] == 16 * 16 + 16 + 2 * 16 + 16 * 6 + 6
    assert cost["flops"] == 2 * (16 * 16 + 16 * 6)


def test_a_seed_changes_only_what_it_names(tmp_path: Path) -> None:
    """Switching a term off leaves the data order and the weights' start as they were."""
    with_term, _ = end(tmp_path / "a", lwf(weight=0.0))
    without, _ = end(tmp_path / "b", naive())
    assert with_term == without


def test_a_growing_head_with_momentum_and_a_kept_optimizer_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grown rows have no momentum yet, the others keep theirs."""

    def experiment() -> Experiment:
        return small_experiment(lwf(), scenario="task", reset_optimizer=False)

    whole = experiment()
    whole.run(tmp_path / "whole")
    part = experiment()
    save = Keeper.save

    def stop(keeper: Keeper, state: Any) -> None:
        save(keeper, state)
        if (state["task"], state["epoch"]) == (1, 1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", stop)
        with pytest.raises(Interrupted):
            part.run(tmp_path / "part")
    again = experiment()
    again.run(tmp_path / "part", resume=True)
    assert digest(again.engine.model) == digest(whole.engine.model)


def test_an_experiment_runs_once(tmp_path: Path) -> None:
    experiment = small_experiment(naive())
    experiment.run(tmp_path / "one")
    with pytest.raises(BadCall, match="runs once"):
        experiment.run(tmp_path / "two")


def test_another_streams_data_do_not_pass_through_this_streams_pipeline() -> None:
    experiment = small_experiment(naive())
    own, other = small_experiment(naive()).benchmark.test_stream[0], experiment.benchmark.test_stream[0]
    assert experiment.engine.part_data(other.dataset) is not None
    assert experiment.engine.part_data(own.dataset) is None


def test_no_head_is_a_column_in_any_precision() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        assert float(torch.tensor(ABSENT, dtype=dtype)) == ABSENT


# ---- terms that share a pass, or have a step of their own ---------------------------------------------------------


def test_a_term_with_a_step_of_its_own_may_share_its_data_with_others(tmp_path: Path) -> None:
    kd = Kd(temperature=2.0)
    terms: dict[str, Any] = {
        "replay": Rehearse(TaskLoss()),
        "new": Distill(Snapshot(), kd, separate=True),
        "old": Distill(Snapshot(), kd, source="memory", separate=True),
    }
    _, results = end(tmp_path / "run", Strategy(memory=Reservoir(capacity=20), terms=terms))
    assert len(results["accuracy_matrix"]) == 3


def test_maps_are_differentiated_though_the_student_could_take_all_sources_in_one_pass(
    tmp_path: Path,
) -> None:
    terms: dict[str, Any] = {"replay": Rehearse(TaskLoss()), "maps": Distill(Snapshot(), GradCam())}
    strategy = Strategy(memory=Reservoir(capacity=20), terms=terms)
    model = ("cnn", {"width": 4, "stages": 2, "batch_norm": False})
    _, results = end(tmp_path / "run", strategy, model=model)
    assert len(results["accuracy_matrix"]) == 3


def test_what_phases_before_a_task_said_survives_a_stop_inside_it(tmp_path: Path) -> None:
    class Stop(Notes):
        def log(self, values: Any, axis: str, step: Any) -> None:
            super().log(values, axis, step)
            # The second record of the second task comes after the checkpoint inside it.
            if sum(line[0] == "iteration" and line[2]["task"] == 1 for line in self.lines) == 2:
                raise KeyboardInterrupt

    def make() -> Strategy:
        return Strategy(phases=[WarmUp(epochs=1)])

    _, whole = end(tmp_path / "whole", make())
    with pytest.raises(Interrupted):
        end(tmp_path / "stopped", make(), trackers=[Stop()])
    resumed = small_experiment(make()).run(tmp_path / "stopped", resume=True)
    said = [[entry.get("phases") for entry in run["per_task"]] for run in (whole, resumed)]
    assert said[0] == said[1] and "warm_up/loss" in said[0][1]


def test_a_batch_of_one_says_what_to_do(tmp_path: Path) -> None:
    # 48 samples a task: one is left over.
    with pytest.raises(RunFailed, match=r"a batch of a single sample.*training\.drop_last"):
        end(tmp_path / "run", naive(), batch_size=47)
    end(tmp_path / "dropped", naive(), batch_size=47, drop_last=True)
