"""The plugin in plain Avalanche: the teacher stays frozen, the loss is the paper's, the classes are the right ones."""

import copy
from typing import Any

import pytest
import torch
from avalanche.benchmarks import class_incremental_benchmark, nc_benchmark
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.models import MTSimpleMLP, SimpleMLP
from avalanche.models.batch_renorm import BatchRenorm2D
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.supervised import LwF, Naive
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import lifelong_kd
from lifelong_kd.core.errors import BadCall
from lifelong_kd.correction.drift import PrototypeDrift
from lifelong_kd.generator.vae import Vae
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.training.adapter import Adapter
from lifelong_kd.training.plugin import _like
from tests.reference.losses import kd as kd_slow

FEATURES = 12


def benchmark(*, task_labels: bool, from_zero: bool = False, experiences: int = 3) -> Any:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(2 * experiences).repeat_interleave(24)
    x = torch.randn(len(y), FEATURES, generator=generator) + y.unsqueeze(1).float()
    data = TensorDataset(x, y)
    data.targets = y.tolist()  # type: ignore[attr-defined]
    return nc_benchmark(
        data,
        data,
        n_experiences=experiences,
        task_labels=task_labels,
        fixed_class_order=list(range(2 * experiences)),
        class_ids_from_zero_in_each_exp=from_zero,
    )


def dropout_and_batchnorm(classes: int = 6) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, classes)]
    return nn.Sequential(*layers)


def naive(model: nn.Module, *plugins: SupervisedPlugin, lr: float = 0.05) -> Naive:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return Naive(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=16,
        train_epochs=2,
        plugins=list(plugins),
        evaluator=None,
    )


class Recording(SupervisedPlugin):
    """Keeps what each step looked like before and after the plugin under test had its say."""

    def __init__(self, plugin: Any, *, record: int = 1) -> None:
        super().__init__()
        self.plugin = plugin
        self.steps: list[dict[str, Any]] = []

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        self.steps.append(
            {
                "x": strategy.mb_x.clone(),
                "y": strategy.mb_y.clone(),
                "logits": strategy.mb_output.detach().clone(),
                "parts": dict(self.plugin.parts),
                "loss": float(strategy.loss.detach()),
                "experience": strategy.clock.train_exp_counter,
            }
        )


# ---- the teacher ----------------------------------------------------------------------------------------------


def test_the_teacher_is_bitwise_what_it_was_after_a_task_with_dropout_and_batchnorm() -> None:
    stream = benchmark(task_labels=False).train_stream
    plugin = lifelong_kd.plugin("lwf", temperature=2.0)
    strategy = naive(dropout_and_batchnorm(), plugin)
    strategy.train(stream[0], eval_streams=[])
    teacher = plugin.teacher.module
    parameters = {name: value.clone() for name, value in teacher.named_parameters()}
    buffers = {name: value.clone() for name, value in teacher.named_buffers()}
    watch = Recording(plugin)
    strategy.plugins.append(watch)
    strategy.train(stream[1], eval_streams=[])
    assert any("kd" in step["parts"] for step in watch.steps), "the teacher never taught"
    # The teacher of task 1 has been replaced at its end; `teacher` is the one that taught.
    assert teacher is not plugin.teacher.module
    assert all(torch.equal(value, parameters[name]) for name, value in teacher.named_parameters())
    assert all(torch.equal(value, buffers[name]) for name, value in teacher.named_buffers())
    assert {"1.running_mean", "1.running_var", "1.num_batches_tracked"} <= set(buffers)


def test_two_teacher_passes_on_one_batch_are_equal_and_student_train_does_not_touch_it() -> None:
    plugin = lifelong_kd.plugin("lwf", temperature=2.0)
    strategy = naive(dropout_and_batchnorm(), plugin)
    strategy.train(benchmark(task_labels=False).train_stream[0], eval_streams=[])
    x = torch.randn(8, FEATURES)
    teacher = plugin.teacher.module
    first = teacher(x)
    strategy.model.train()
    teacher.train()
    assert not any(part.training for part in teacher.modules())
    assert torch.equal(first, teacher(x))
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    mine = {id(parameter) for parameter in strategy.model.parameters()}
    assert not mine & {id(parameter) for parameter in teacher.parameters()}
    assert not any(part is teacher for part in strategy.model.modules())


def test_avalanches_own_teacher_fails_each_of_these() -> None:
    """If this fails, upstream has been mended and the README has to say so."""
    stream = benchmark(task_labels=False).train_stream
    model = dropout_and_batchnorm()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    common = {"criterion": nn.CrossEntropyLoss(), "train_mb_size": 16, "evaluator": None}
    strategy = LwF(model=model, optimizer=optimizer, alpha=1.0, temperature=2.0, **common)
    strategy.train(stream[0], eval_streams=[])
    teacher = strategy.plugins[0].lwf.prev_model
    before = digest(teacher)
    x = torch.randn(8, FEATURES)
    assert teacher.training
    assert not torch.equal(teacher(x), teacher(x))
    strategy.train(stream[1], eval_streams=[])
    assert digest(teacher) != before


# ---- the loss -------------------------------------------------------------------------------------------------


def test_the_loss_of_a_batch_is_the_slow_derivation() -> None:
    stream = benchmark(task_labels=False).train_stream
    plugin = lifelong_kd.plugin("lwf", temperature=2.0, weight=0.7)
    strategy = naive(SimpleMLP(num_classes=6, input_size=FEATURES, hidden_size=16, drop_rate=0.0), plugin)
    strategy.train(stream[0], eval_streams=[])
    teacher = plugin.teacher.module
    watch = Recording(plugin)
    strategy.plugins.append(watch)
    strategy.train(stream[1], eval_streams=[])
    # Not the first step: student and teacher are still the same there.
    step = watch.steps[3]
    said = teacher(step["x"])
    kd = [kd_slow(s[:2], t[:2], 2.0) for s, t in zip(step["logits"].tolist(), said.tolist(), strict=True)]
    cross_entropy = float(nn.functional.cross_entropy(step["logits"], step["y"]))
    assert sum(kd) / len(kd) > 1e-4
    assert step["loss"] == pytest.approx(cross_entropy + 0.7 * sum(kd) / len(kd), rel=1e-4)


def test_gradient_reaches_the_student_only() -> None:
    stream = benchmark(task_labels=False).train_stream
    plugin = lifelong_kd.plugin("lwf", weight=1.0)
    strategy = naive(dropout_and_batchnorm(), plugin)
    strategy.train(stream[0], eval_streams=[])
    teacher = plugin.teacher.module
    strategy.train(stream[1], eval_streams=[])
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in strategy.model.parameters())


# ---- which classes are distilled --------------------------------------------------------------------------------


def distilled(
    monkeypatch: pytest.MonkeyPatch, model: nn.Module, stream: Any, **options: Any
) -> list[set[int]]:
    """For each task, the widths of what was compared, found by what the knowledge was given."""
    seen: list[tuple[int, tuple[int, ...]]] = []
    plugin = lifelong_kd.plugin("lwf", weight=1.0, **options)
    term = plugin.strategy.terms["kd"]
    original = term.knowledge

    class Spy:
        needs = original.needs

        def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
            seen.append((len(plugin.tasks) - 1, tuple(student.shape)))
            return original(student, teacher)

    term.knowledge = Spy()  # type: ignore[assignment]
    strategy = naive(model, plugin)
    for experience in stream:
        strategy.train(experience, eval_streams=[])
    calls: dict[int, list[int]] = {}
    for task, (_, width) in seen:
        calls.setdefault(task, []).append(width)
    steps = 2 * 3  # epochs x batches of 16 in 48 samples
    return [
        sorted(calls.get(task, [])[: len(calls.get(task, [])) // steps]) for task in range(len(list(stream)))
    ]  # type: ignore[misc]


def test_class_incremental_distils_all_classes_seen_before(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SimpleMLP(num_classes=6, input_size=FEATURES, hidden_size=16)
    assert distilled(monkeypatch, model, benchmark(task_labels=False).train_stream) == [[], [2], [4]]


@pytest.mark.parametrize("from_zero", [False, True])
def test_multi_head_distils_each_earlier_head(monkeypatch: pytest.MonkeyPatch, from_zero: bool) -> None:
    model = MTSimpleMLP(input_size=FEATURES, hidden_size=16)
    stream = benchmark(task_labels=True, from_zero=from_zero).train_stream
    assert distilled(monkeypatch, model, stream) == [[], [2], [2, 2]]


def test_single_head_with_task_labels_distils_each_earlier_task(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SimpleMLP(num_classes=6, input_size=FEATURES, hidden_size=16)
    stream = benchmark(task_labels=True).train_stream
    assert distilled(monkeypatch, model, stream) == [[], [2], [2, 2]]


def test_multi_head_distillation_moves_the_old_heads_and_runs_the_body_once() -> None:
    """The old heads get a gradient, and BatchNorm statistics move once a step as in a plain run."""
    stream = benchmark(task_labels=True).train_stream
    torch.manual_seed(0)
    model = MTSimpleMLP(input_size=FEATURES, hidden_size=16)
    model.features = nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU())
    plugin = lifelong_kd.plugin("lwf", weight=5.0)
    strategy = naive(model, plugin)
    strategy.train(stream[0], eval_streams=[])
    old_head = copy.deepcopy(strategy.model.classifier.classifiers["0"].state_dict())
    tracked = int(model.features[1].num_batches_tracked)
    strategy.train(stream[1], eval_streams=[])
    moved = strategy.model.classifier.classifiers["0"].state_dict()
    assert any(not torch.equal(old_head[name], moved[name]) for name in old_head)
    assert int(model.features[1].num_batches_tracked) - tracked == 2 * 3


@pytest.mark.parametrize("name", ["dgr", "dgr_distill"])
def test_multi_head_of_avalanche_learns_from_generated_samples(name: str) -> None:
    torch.manual_seed(0)
    plugin = lifelong_kd.plugin(name, generator=Vae(hidden=[8], latent=2, likelihood="gaussian"))
    watch = Recording(plugin)
    strategy = naive(MTSimpleMLP(input_size=FEATURES, hidden_size=16), plugin, watch)
    for experience in benchmark(task_labels=True).train_stream:
        strategy.train(experience, eval_streams=[])
    parts = [step["parts"] for step in watch.steps if step["experience"] == 2]
    assert all(0 < float(one["replay"].raw) < 10 for one in parts)


# ---- the rest of the contract -----------------------------------------------------------------------------------


def test_a_custom_criterion_is_kept_where_the_task_loss_says_nothing_else() -> None:
    stream = benchmark(task_labels=False).train_stream
    smooth = nn.CrossEntropyLoss(label_smoothing=0.2)
    plugin = lifelong_kd.plugin("lwf")
    strategy = naive(SimpleMLP(num_classes=6, input_size=FEATURES, hidden_size=16, drop_rate=0.0), plugin)
    strategy._criterion = smooth
    watch = Recording(plugin)
    strategy.plugins.append(watch)
    strategy.train(stream[0], eval_streams=[])
    step = watch.steps[0]
    assert step["loss"] == pytest.approx(float(smooth(step["logits"], step["y"])), rel=1e-5)
    assert strategy._criterion is smooth


def test_task_loss_new_leaves_the_old_columns_alone() -> None:
    stream = benchmark(task_labels=False).train_stream
    plugin = lifelong_kd.plugin("naive", task_loss="new")
    strategy = naive(SimpleMLP(num_classes=6, input_size=FEATURES, hidden_size=16), plugin)
    strategy.train(stream[0], eval_streams=[])
    before = strategy.model.classifier.bias[:2].clone()
    strategy.train(stream[1], eval_streams=[])
    assert torch.equal(strategy.model.classifier.bias[:2], before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lifelong_kd.plugin("podent"), "Did you mean 'podnet'"),
        (lambda: lifelong_kd.plugin("lwf", temprature=3.0), "temprature"),
        (lambda: lifelong_kd.plugin("naive").teacher, "0 teachers"),
        (lambda: lifelong_kd.plugin("avalanche/ewc"), "Avalanche's own"),
    ],
)
def test_bad_calls_say_what_is_wrong(call: Any, words: str) -> None:
    with pytest.raises(BadCall, match=words):
        call()


def test_a_plugin_serves_one_template() -> None:
    stream = benchmark(task_labels=False).train_stream
    plugin = lifelong_kd.plugin("lwf")
    naive(dropout_and_batchnorm(), plugin).train(stream[0], eval_streams=[])
    with pytest.raises(BadCall, match="another template"):
        naive(dropout_and_batchnorm(), plugin).train(stream[0], eval_streams=[])


def test_icarl_predicts_by_the_nearest_mean_in_plain_avalanche() -> None:
    bench = benchmark(task_labels=False)
    plugin = lifelong_kd.plugin("icarl", memory=12)
    strategy = naive(SimpleMLP(num_classes=6, input_size=FEATURES, hidden_size=16), plugin)
    outputs: list[Tensor] = []

    class Watch(SupervisedPlugin):
        def after_eval_forward(self, strategy: Any, **kwargs: Any) -> None:
            outputs.append(strategy.mb_output)

    strategy.plugins.append(Watch())
    strategy.train(bench.train_stream[0], eval_streams=[])
    strategy.eval(bench.test_stream[:1])
    said = torch.cat(outputs)
    assert len(plugin.strategy.memory) == 12
    # Minus squared distances between unit vectors for the classes seen, minus infinity for those to come.
    assert said[:, :2].max() <= 0 and said[:, :2].min() >= -4 - 1e-5
    assert (said[:, 2:] == -torch.inf).all()


def test_a_memory_pass_before_the_teacher_does_not_change_what_the_heads_are_asked_about() -> None:
    """At the first step of a task the old heads are the teacher's own: distillation is exactly nothing."""
    stream = benchmark(task_labels=True).train_stream
    torch.manual_seed(0)
    model = MTSimpleMLP(input_size=FEATURES, hidden_size=16)
    model.features = nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU())
    terms = {"replay": Rehearse(TaskLoss()), "kd": Distill(Snapshot(), Kd(temperature=2.0))}
    plugin = lifelong_kd.plugin(Strategy(terms=terms, memory=Reservoir(capacity=20)))
    watch = Recording(plugin)
    strategy = naive(model, plugin, watch)
    for experience in stream:
        strategy.train(experience, eval_streams=[])
    first = [next(s for s in watch.steps if s["experience"] == task)["parts"]["kd"].raw for task in (1, 2)]
    later = [step["parts"]["kd"].raw for step in watch.steps if step["experience"] == 2][3:]
    assert all(float(value) == 0.0 for value in first)
    assert all(float(value) > 0.0 for value in later)


def test_exemplars_join_the_training_set_of_either_generation_of_benchmarks() -> None:
    """Items of the newer benchmarks have no task label; the exemplars' have one."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(4).repeat_interleave(24)
    x = torch.randn(96, FEATURES, generator=generator) + y.unsqueeze(1).float()

    class Plain(Dataset[tuple[Tensor, int]]):
        targets = y.tolist()

        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            return x[index], self.targets[index]

    data = Plain()
    datasets = {"train": as_classification_dataset(data), "test": as_classification_dataset(data)}
    newer = class_incremental_benchmark(datasets, num_experiences=2)
    for stream in (newer.train_stream, benchmark(task_labels=False, experiences=2).train_stream):
        plugin = lifelong_kd.plugin("icarl", memory=12)
        sizes: list[int] = []

        class Sizes(SupervisedPlugin):
            def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
                sizes.append(len(strategy.adapted_dataset))  # noqa: B023 - used before the loop goes on

        strategy = naive(SimpleMLP(num_classes=4, input_size=FEATURES, hidden_size=16), plugin, Sizes())
        for experience in stream:
            strategy.train(experience, eval_streams=[])
        assert sizes == [48, 48, 60, 60]


def test_a_memory_that_samples_pass_by_may_not_join_the_training_set() -> None:
    with pytest.raises(BadCall, match="would take its own exemplars again"):
        Strategy(memory=Reservoir(capacity=500), train_on="new_and_memory")


def test_exemplars_by_features_need_a_model_without_task_labels() -> None:
    strategy = naive(MTSimpleMLP(input_size=FEATURES, hidden_size=16), lifelong_kd.plugin("icarl", memory=12))
    with pytest.raises(BadCall, match="without task labels"):
        strategy.train(benchmark(task_labels=True).train_stream[0], eval_streams=[])


class _Centred(nn.Module):
    """Mixes the samples of a batch, and is no layer anybody knows."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(16), _Centred(), BatchRenorm2D(16), nn.Softmax(dim=0)],
    ids=lambda layer: type(layer).__name__,
)
def test_only_layers_known_to_look_at_single_samples_share_a_pass(layer: nn.Module) -> None:
    adapter = Adapter(naive(nn.Sequential(nn.Linear(FEATURES, 16), layer)))  # type: ignore[arg-type]
    assert not adapter.separable
    known = nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, 16), nn.LayerNorm(16), nn.Dropout(0.5), nn.ReLU())
    assert Adapter(naive(known)).separable  # type: ignore[arg-type]


@pytest.mark.parametrize(("batchnorm", "passes"), [(False, 1), (True, 3)])
def test_one_pass_covers_all_sources_unless_a_layer_mixes_samples(batchnorm: bool, passes: int) -> None:
    stream = benchmark(task_labels=False).train_stream
    torch.manual_seed(0)
    norm = [nn.BatchNorm1d(16)] if batchnorm else []
    model = nn.Sequential(nn.Linear(FEATURES, 16), *norm, nn.ReLU(), nn.Linear(16, 6))
    sizes: list[int] = []
    plugin = lifelong_kd.plugin("derpp", memory=20)
    watch = Recording(plugin)
    strategy = naive(model, plugin, watch)
    strategy.train(stream[0], eval_streams=[])
    hook = model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    watch.steps.clear()
    strategy.train(stream[1], eval_streams=[])
    hook.remove()
    assert sizes == ([16 + 16 + 16] * 6 if passes == 1 else [16] * 18)
    # What others see of the step is the new batch alone.
    assert all(len(step["x"]) == len(step["y"]) == len(step["logits"]) == 16 for step in watch.steps)
    assert all(set(step["parts"]) == {"task", "logits", "labels"} for step in watch.steps)


def test_one_pass_ends_like_several(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = benchmark(task_labels=False).train_stream
    ends = []
    for separable in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, 6))
        monkeypatch.setattr(Adapter, "separable", property(lambda self, value=separable: value))
        strategy = naive(model, lifelong_kd.plugin("derpp", memory=20))
        torch.manual_seed(1)
        for experience in stream:
            strategy.train(experience, eval_streams=[])
        ends.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert not torch.equal(ends[0], torch.zeros_like(ends[0]))
    assert torch.allclose(ends[0], ends[1], atol=1e-5)


def test_separate_heads_are_asked_anew_by_a_term_with_a_step_of_its_own() -> None:
    terms = {"kd": Distill(Snapshot(), Kd(temperature=2.0), separate=True)}
    plugin = lifelong_kd.plugin(Strategy(terms=terms))
    strategy = naive(MTSimpleMLP(input_size=FEATURES, hidden_size=16), plugin)
    for experience in benchmark(task_labels=True).train_stream:
        strategy.train(experience, eval_streams=[])
    assert float(plugin.parts["kd"].raw) > 0.0


def test_features_of_a_model_with_task_labels_are_refused() -> None:
    plugin = lifelong_kd.plugin(Strategy(corrections=[PrototypeDrift()]))
    strategy = naive(MTSimpleMLP(input_size=FEATURES, hidden_size=16), plugin)
    with pytest.raises(BadCall, match="the features of a model with task labels"):
        strategy.train(benchmark(task_labels=True).train_stream[0], eval_streams=[])


class WithKeywords(torch.optim.AdamW):
    """An optimiser that hands its options on."""

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, **options)


def test_the_optimiser_of_a_phase_has_the_runs_own_options() -> None:
    weight = [nn.Parameter(torch.ones(2))]
    for made in (
        torch.optim.NAdam(weight, lr=0.3, weight_decay=0.2, decoupled_weight_decay=True),
        torch.optim.AdamW(weight, lr=0.3, weight_decay=0.2, foreach=True),
        torch.optim.Adam(weight, lr=0.3, fused=True),
        torch.optim.SGD(weight, lr=0.3, momentum=0.5),
        WithKeywords(weight, lr=0.3, weight_decay=0.2),
    ):
        like = _like(made, weight, None)
        assert type(like) is type(made) and like.defaults == made.defaults
        assert _like(made, weight, 0.1).defaults["lr"] == 0.1
