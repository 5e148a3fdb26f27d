"""Rules as a teacher: votes, conflicts, abstentions, label models, and rules that are wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.config.imports import import_file
from lifelong_kd.core.errors import BadCall, DataMissing, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Said, Task
from lifelong_kd.stream.text import as_bytes
from lifelong_kd.teacher import rule as rule_module
from lifelong_kd.teacher.label_model import ABSTAIN, accuracies, majority, posterior
from lifelong_kd.teacher.rule import rule
from lifelong_kd.teacher.rules import Rules
from tests.teacher.life import rebuilder, saved

NAMES = ("food", "travel", "money", "weather")
FIRST = Task(0, "class", (0, 1))
SECOND = Task(1, "class", (2, 3), ((0, 1),))


class Texts:
    """Training data of a task: texts, and what is known of each."""

    def __init__(self, texts: list[str], y: list[int], about: list[dict[str, str]] | None = None) -> None:
        self.x = as_bytes(texts, 40)
        self.targets = torch.tensor(y)
        self.labels = torch.zeros(len(y), dtype=torch.int64)
        self.more = about or [{} for _ in y]

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [self.more[row] for row in index.tolist()]

    def plain(self, raw: Tensor) -> Tensor:
        return raw.float()

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw.float()


def batch(raw: Tensor | list[str], label: int = 0, index: Tensor | None = None) -> Batch:
    raw = as_bytes(raw, 40) if isinstance(raw, list) else raw
    y = torch.full((len(raw),), -1)
    return Batch(x=raw.float(), y=y, label=torch.full_like(y, label), raw=raw, index=index)


def teacher(task: Task = SECOND, **options: Any) -> Rules:
    made = Rules(**options)
    made.check_columns(NAMES)
    made.begin_task(task)
    return made


def pattern(pattern: str, label: str, weight: float = 1.0) -> dict[str, Any]:
    return {"pattern": pattern, "label": label, "weight": weight}


def shares(said: Said) -> Tensor:
    return said.logits.exp()


def all_of(count: int, classes: int) -> Tensor:
    """That each of so many samples can be of each class."""
    return torch.ones(count, classes, dtype=torch.bool)


@pytest.fixture
def functions() -> Iterator[None]:
    before = dict(rule_module._functions)
    yield
    rule_module._functions.clear()
    rule_module._functions.update(before)


FOOD, FLY, PAY = pattern("eat|cook", "food"), pattern("fl(y|ight)", "travel", 3.0), pattern("pay", "money")


def test_votes_are_weighted_smoothed_and_abstained_from() -> None:
    made = teacher(rules=[FOOD, FLY, PAY], smoothing=0.2)
    said = made.teach(batch(["I EAT while I fly", "good morning", "let me pay"]))
    assert said.known is not None and said.known.tolist() == [True, False, True]
    # 0.8 * (1/4, 3/4, 0, 0) + 0.2 / 4, and 0.8 on one of four.
    assert shares(said)[0].tolist() == pytest.approx([0.25, 0.65, 0.05, 0.05])
    assert shares(said)[2].tolist() == pytest.approx([0.05, 0.05, 0.85, 0.05])
    assert made.columns == (0, 1, 2, 3) and made.ready


def test_classes_to_come_get_no_vote() -> None:
    made = teacher(FIRST, rules=[FOOD, PAY], smoothing=0.0)
    said = made.teach(batch(["eat and pay", "pay"]))
    assert said.logits.shape == (2, 2)
    assert said.known is not None and said.known.tolist() == [True, False]
    assert shares(said)[0].tolist() == [1.0, 0.0]


def test_only_the_new_classes_if_asked() -> None:
    made = teacher(rules=[FOOD, PAY], smoothing=0.0, classes="new")
    said = made.teach(batch(["eat and pay", "eat"]))
    assert made.columns == (2, 3)
    assert said.known is not None and said.known.tolist() == [True, False]
    assert said.logits[0, :2].isnan().all() and shares(said)[0, 2:].tolist() == [1.0, 0.0]


def test_in_a_task_incremental_stream_the_classes_of_the_samples_own_task_compete() -> None:
    task = Task(1, "task", (2, 3), ((0, 1),), {0: (0, 1), 1: (2, 3)}, 1)
    made = teacher(task, rules=[FOOD, PAY], smoothing=0.1)
    said = made.teach(batch(["eat and pay", "eat"], label=1))
    assert said.known is not None and said.known.tolist() == [True, False]
    assert said.logits[:, :2].isnan().all()
    assert shares(said)[0, 2:].tolist() == pytest.approx([0.95, 0.05])
    assert shares(made.teach(batch(["eat"], label=0)))[0, :2].tolist() == pytest.approx([0.95, 0.05])


def test_thresholds_on_texts_and_images() -> None:
    short = {"statistic": "words", "below": 3, "label": "weather"}
    long = {"statistic": "length", "above": 10, "label": "food"}
    made = teacher(rules=[short, long], smoothing=0.0)
    said = made.teach(batch(["rain now", "what shall I eat", "it is hot"]))
    assert said.known is not None and said.known.tolist() == [True, True, False]
    assert shares(said)[:2].argmax(dim=1).tolist() == [3, 0]
    between = {"statistic": "mean", "above": 0.25, "below": 0.75, "label": "money"}
    images = torch.stack([torch.full((1, 2, 2), value) for value in (0, 128, 255)]).to(torch.uint8)
    for raw in (images, images / 255):
        said = teacher(rules=[between]).teach(batch(raw))
        assert said.known is not None and said.known.tolist() == [False, True, False]


def test_metadata_is_known_of_the_tasks_own_samples_only() -> None:
    made = teacher(rules=[{"field": "session", "above": 2, "label": "money"}, FOOD], smoothing=0.0)
    data = Texts(["a", "b", "eat"], [2, 2, 3], [{"session": "1"}, {"session": "3"}, {}])
    made.study(SECOND, data, Seeds(0))
    said = made.teach(batch(["a", "b", "eat"], index=torch.tensor([0, 1, 2])))
    assert said.known is not None and said.known.tolist() == [False, True, True]
    assert shares(said)[1:].argmax(dim=1).tolist() == [2, 0]
    said = made.teach(batch(["a", "b"]))
    assert said.known is not None and not said.known.any()
    # Trained on with a memory, or without samples that are held out, a position is not the row of the task's data.
    asked = batch(["b", "a", "b"], index=torch.tensor([0, 1, 2]))
    asked.row = torch.tensor([1, 0, -1])
    said = made.teach(asked)
    assert said.known is not None and said.known.tolist() == [True, False, False]


def test_a_field_that_is_blank_is_abstained_from_and_one_of_words_is_an_error() -> None:
    made = teacher(rules=[{"field": "session", "above": 2, "label": "money"}])
    more: list[dict[str, Any]] = [{"session": "3"}, {"session": ""}, {"session": " "}, {"session": None}]
    made.study(SECOND, Texts(["a"] * 4, [2] * 4, more), Seeds(0))
    known = made.teach(batch(["a"] * 4, index=torch.arange(4))).known
    assert known is not None and known.tolist() == [True, False, False, False]
    made.study(SECOND, Texts(["a"], [2], [{"session": "third"}]), Seeds(0))
    with pytest.raises(RunFailed, match=r"'rule 1' raised ValueError: .*'third'"):
        made.teach(batch(["a"], index=torch.tensor([0])))


def test_rules_of_the_wrong_kind_are_refused_before_the_first_batch() -> None:
    images = Texts(["a"], [2])
    images.x = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    texts = Texts(["a"], [2])
    for given, data, message in (
        (FOOD, images, "rule 1 does not fit this stream: a pattern looks at a text"),
        ({"statistic": "words", "above": 0, "label": "food"}, images, "rule 1 .*one of texts"),
        ({"statistic": "max", "above": 0, "label": "food"}, texts, "rule 1 .*one of numbers"),
    ):
        with pytest.raises(BadCall, match=message):
            teacher(rules=[given]).study(SECOND, data, Seeds(0))


def test_a_field_that_no_sample_of_its_class_has_is_refused() -> None:
    data = Texts(["a", "b"], [2, 3], [{"session": "1", "hour": "9"}, {}])
    late = {"above": 2, "label": "money"}
    with pytest.raises(
        BadCall, match=r"rule 1: no .* task 1 has the field 'sesion'\. Did you mean 'session'"
    ):
        teacher(rules=[{"field": "sesion", **late}]).study(SECOND, data, Seeds(0))
    with pytest.raises(BadCall, match=r"the field 'nothing'\. Their fields: hour, session\."):
        teacher(rules=[{"field": "nothing", **late}]).study(SECOND, data, Seeds(0))
    # It may be one of the class of an earlier task or one to come; and these data may say nothing of anything.
    teacher(rules=[{"field": "ticket", "above": 2, "label": "travel"}]).study(SECOND, data, Seeds(0))
    teacher(FIRST, rules=[{"field": "ticket", **late}]).study(FIRST, data, Seeds(0))
    teacher(rules=[{"field": "ticket", **late}]).study(SECOND, Texts(["a"], [2]), Seeds(0))


def test_functions_of_ones_own(functions: None) -> None:
    @rule("short", weight=2.0)
    def short(text: str) -> tuple[str, float] | None:
        return ("weather", 0.5) if len(text) < 6 else None

    @rule("loud", look="metadata")
    def loud(about: dict[str, str]) -> str | None:
        return "travel" if about.get("volume") == "high" else None

    made = teacher(functions=["short", "loud"], rules=[pattern("rain", "food", 3.0)], smoothing=0.0)
    made.study(SECOND, Texts(["rain", "calm weather"], [2, 3], [{}, {"volume": "high"}]), Seeds(0))
    said = made.teach(batch(["rain", "calm weather"], index=torch.tensor([0, 1])))
    assert shares(said)[0].tolist() == pytest.approx([0.75, 0.0, 0.0, 0.25])
    assert shares(said)[1].tolist() == [0.0, 1.0, 0.0, 0.0]
    with pytest.raises(BadCall, match=r"there is no rule 'shrot'. Did you mean 'short'.*'imports'"):
        Rules(functions=["shrot"])


def test_a_name_belongs_to_one_file(functions: None, tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    for file in (one, other):
        file.write_text(
            "from lifelong_kd.teacher.rule import rule\n@rule('mine')\ndef mine(text): return 'food'\n"
        )
    import_file(one)
    assert Rules(functions=["mine"]).rules[0].name == "mine"
    with pytest.raises(BadCall, match=r"the rule 'mine' stands in .*one.py already; rename one"):
        import_file(other)


def test_a_rule_that_raises_says_which_and_where(functions: None) -> None:
    @rule("broken")
    def broken(text: str) -> str:
        raise KeyError("vocabulary")

    @rule("mistyped")
    def mistyped(text: str) -> str:
        return "wether"

    @rule("heavy")
    def heavy(text: str) -> tuple[str, float]:
        return "food", math.inf

    @rule("talkative")
    def talkative(text: str) -> tuple[str, float, str]:
        return "food", 1.0, "I think"

    for name, message in (("heavy", "a weight is a number above 0"), ("talkative", "is no class")):
        with pytest.raises(RunFailed, match=f"'{name}' said .*'food'.*{message}.*'rain now'"):
            teacher(functions=[name]).teach(batch(["rain now"]))
    with pytest.raises(RunFailed, match=r"'broken' raised KeyError: 'vocabulary'; at 'rain now'.*resume"):
        teacher(functions=["broken"]).teach(batch(["rain now"]))
    with pytest.raises(RunFailed, match=r"'mistyped' said 'wether'.*no class.*mean 'weather'.*'rain now'"):
        teacher(functions=["mistyped"]).teach(batch(["rain now"]))
    with pytest.raises(RunFailed, match=r"TypeError: a pattern looks at a text.* shape .1, 2, 2."):
        teacher(rules=[FOOD]).teach(batch(torch.zeros(1, 1, 2, 2)))
    with pytest.raises(RunFailed, match="one of numbers, and these samples are texts"):
        teacher(rules=[{"statistic": "max", "above": 0, "label": "food"}]).teach(batch(["rain"]))
    with pytest.raises(RunFailed, match="one of texts"):
        teacher(rules=[{"statistic": "words", "above": 0, "label": "food"}]).teach(
            batch(torch.zeros(1, 2, 3))
        )


def test_a_sample_of_another_class_than_those_that_compete_is_not_taught() -> None:
    asked = batch(["eat and pay"] * 3)
    asked.y = torch.tensor([0, 2, -1])
    known = teacher(rules=[FOOD, PAY], classes="new").teach(asked).known
    assert known is not None and known.tolist() == [False, True, True]
    known = teacher(rules=[FOOD, PAY]).teach(asked).known
    assert known is not None and known.all()


def test_samples_inside_the_network_are_abstained_from() -> None:
    inside = batch(torch.rand(2, 3, 4))
    inside.at = "stages.0"
    said = teacher(rules=[FOOD]).teach(inside)
    assert said.known is not None and not said.known.any()
    assert said.logits.shape == (2, 4) and said.logits.isfinite().all()
    assert teacher(rules=[FOOD]).teach(batch(torch.zeros(0, 40, dtype=torch.uint8))).logits.shape == (0, 4)


# ---- label models ---------------------------------------------------------------------------------------------


def test_nobody_votes_nobody_wins() -> None:
    votes = torch.full((2, 3), ABSTAIN)
    assert torch.equal(majority(votes, torch.ones(3), 4), torch.zeros(2, 4))
    assert torch.equal(posterior(votes, torch.full((3,), 0.9), all_of(2, 4)), torch.full((2, 4), 0.25))


def test_the_posterior_by_hand() -> None:
    # Three classes; accuracies 0.8 and 0.5: odds 0.8 * 2 / 0.2 = 8 and 0.5 * 2 / 0.5 = 2.
    votes = torch.tensor([[0, 1], [0, 0], [ABSTAIN, 2]])
    said = posterior(votes, torch.tensor([0.8, 0.5]), all_of(3, 3))
    assert said[0].tolist() == pytest.approx([8 / 11, 2 / 11, 1 / 11])
    assert said[1].tolist() == pytest.approx([16 / 18, 1 / 18, 1 / 18])
    assert said[2].tolist() == pytest.approx([0.25, 0.25, 0.5])


def test_only_the_classes_that_a_sample_can_be_of_are_counted() -> None:
    # Among two classes a rule of accuracy 0.8 has odds 4, among three 8.
    votes, right = torch.tensor([[0], [0], [ABSTAIN]]), torch.tensor([0.8])
    allowed = torch.tensor([[True, False, True], [True, True, True], [False, False, False]])
    said = posterior(votes, right, allowed)
    assert said[0].tolist() == pytest.approx([4 / 5, 0.0, 1 / 5])
    assert said[1].tolist() == pytest.approx([8 / 10, 1 / 10, 1 / 10])
    assert said[2].tolist() == [0.0, 0.0, 0.0]
    task = Task(1, "task", (2, 3), ((0, 1),), {0: (0, 1), 1: (2, 3)}, 1)
    made = teacher(task, rules=[PAY], combine="dawid_skene", smoothing=0.0)
    assert shares(made.teach(batch(["pay"], label=1)))[0, 2:].tolist() == pytest.approx([0.75, 0.25])


def test_a_vote_is_for_its_class_in_every_task_of_a_task_incremental_stream() -> None:
    names = [f"c{k}" for k in range(20)]
    made = Rules(rules=[pattern(f"^{name}$", name) for name in names], combine="dawid_skene", smoothing=0.0)
    made.check_columns(names)
    by_label = {k: (2 * k, 2 * k + 1) for k in range(10)}
    for k, new in by_label.items():
        task = Task(k, "task", new, tuple(by_label.values())[:k], {j: by_label[j] for j in range(k + 1)}, k)
        data = Texts([names[new[0]], names[new[1]]] * 50, [*new] * 50)
        data.labels = torch.full_like(data.labels, k)
        made.begin_task(task)
        made.study(task, data, Seeds(0))
        # Of rules that nobody contradicts it stays what was thought beforehand.
        for earlier in range(k + 1):
            share = shares(made.teach(batch([names[2 * earlier], names[2 * earlier + 1]], label=earlier)))
            assert share[0, 2 * earlier] == pytest.approx(0.75, abs=1e-3)
            assert share[1, 2 * earlier + 1] == pytest.approx(0.75, abs=1e-3)


def crowd(rules: list[float], count: int = 600, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Classes, and the votes of rules that are right as often as said, and abstain from a third."""
    rng = torch.Generator().manual_seed(0)
    y = torch.randint(classes, (count,), generator=rng)
    votes = []
    for right in rules:
        wrong = (y + torch.randint(1, classes, (count,), generator=rng)) % classes
        said = torch.where(torch.rand(count, generator=rng) < right, y, wrong)
        votes.append(said.masked_fill(torch.rand(count, generator=rng) < 1 / 3, ABSTAIN))
    return y, torch.stack(votes, dim=1)


def test_accuracies_are_found_without_a_label() -> None:
    true = [0.95, 0.8, 0.6, 0.35]
    y, votes = crowd(true)
    found = accuracies(votes, torch.ones(4), all_of(600, 3))
    assert found.tolist() == pytest.approx(true, abs=0.06)
    some = (votes != ABSTAIN).any(dim=1)
    by_model = (posterior(votes, found, all_of(600, 3)).argmax(dim=1) == y)[some].float().mean()
    by_vote = (majority(votes, torch.ones(4), 3).argmax(dim=1) == y)[some].float().mean()
    assert by_model > by_vote + 0.02


def test_the_model_agrees_with_crowd_kit() -> None:
    _, votes = crowd([0.9, 0.75, 0.6, 0.4])
    # The skills_ of OneCoinDawidSkene(n_iter=100) of crowd-kit 1.4.2 on these votes, which takes 9 s to import. It
    # estimates how frequent classes are as well, and has no prior of the accuracies.
    theirs = [0.8983, 0.7536, 0.6083, 0.3438]
    assert accuracies(votes, torch.ones(4), all_of(600, 3)).tolist() == pytest.approx(theirs, abs=0.02)


def test_a_rule_that_votes_alone_or_never_is_what_it_was_thought_to_be() -> None:
    votes = torch.tensor([[0, ABSTAIN], [1, ABSTAIN]])
    assert accuracies(votes, torch.ones(2), all_of(2, 2)).tolist() == pytest.approx([0.75, 0.75], abs=1e-5)
    assert accuracies(votes[:0], torch.ones(2), all_of(0, 2)).tolist() == [0.75, 0.75]


def test_one_step_of_the_estimate_by_hand() -> None:
    # The majority of weights 2 and 1 on classes 0 and 1 is (2/3, 1/3): (3 + 2/3) / 5 and (3 + 1/3) / 5.
    found = accuracies(torch.tensor([[0, 1]]), torch.tensor([2.0, 1.0]), all_of(1, 2), steps=1)
    assert found.tolist() == pytest.approx([11 / 15, 10 / 15])


def test_dawid_skene_trusts_rules_that_others_agree_with() -> None:
    agree = [pattern("a", "food"), pattern("b", "food"), pattern("c", "travel")]
    made = teacher(FIRST, rules=agree, combine="dawid_skene", smoothing=0.0)
    made.study(FIRST, Texts(["ab", "ab", "ab", "abc", "abc"], [0, 0, 0, 0, 0]), Seeds(0))
    said = made.teach(batch(["abc", "d", "c"]))
    assert said.known is not None and said.known.tolist() == [True, False, True]
    assert shares(said)[0, 0] > 0.95 and shares(said)[2, 1] < 0.55
    # What is known of rules survives, and a rule that says nothing in a later task keeps it.
    again = teacher(FIRST, rules=agree, combine="dawid_skene", smoothing=0.0)
    again.load_state_dict(saved(made), rebuilder())
    assert torch.equal(again.teach(batch(["abc", "c"])).logits, made.teach(batch(["abc", "c"])).logits)
    again.begin_task(SECOND)
    again.study(SECOND, Texts(["d", "c"], [2, 3]), Seeds(0))
    kept, before = again.state_dict()["right"], made.state_dict()["right"]
    assert kept["rule 1"] == before["rule 1"] and kept["rule 3"] != before["rule 3"]


# ---- what is refused ------------------------------------------------------------------------------------------


def test_rules_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("- {label: no, pattern: 'never'}\n- {label: 'yes', pattern: always, weight: 2}\n")
    made = Rules(file=str(file))
    made.check_columns(["no", "yes"])
    assert [(one.labels, one.weight) for one in made.rules] == [(("no",), 1.0), (("yes",), 2.0)]
    file.with_suffix(".json").write_text(json.dumps([FOOD]))
    assert Rules(file=str(file.with_suffix(".json"))).rules[0].labels == ("food",)
    with pytest.raises(DataMissing, match="is not there"):
        Rules(file=str(tmp_path / "other.yaml"))
    for text, message in (
        ("label: food", "not a list"),
        ("- {label: a, label: b}", "given twice"),
        ("[", "cannot be"),
        ("- {label: null, pattern: a}", "rule 1 needs a label"),
        ("- {label: a, pattern: ~}", "rule 1 needs a label and one of pattern"),
        ("- {label: a, field: b, above: }", "above is a number, found None"),
    ):
        file.write_text(text)
        with pytest.raises(BadCall, match=message):
            Rules(file=str(file))


def test_labels_in_a_file_stay_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    written = ["010", "08", "1.10", "1e5", "7", "-3", "0x1F", "true", "2024-01-02", "1_0"]
    file.write_text("\n".join(f"- {{label: {one}, pattern: a}}" for one in written))
    assert [one.labels[0] for one in Rules(file=str(file)).rules] == written
    # Numbers are numbers all the same.
    file.write_text("- {label: 8, statistic: mean, above: .25, below: 7.5e-1, weight: 1.50}\n")
    made = Rules(file=str(file), smoothing=0.0)
    made.check_columns([*map(str, range(10))])
    made.begin_task(Task(0, "class", (7, 8)))
    assert made.rules[0].weight == 1.5
    known = made.teach(batch(torch.stack([torch.full((1, 2, 2), value) for value in (0.2, 0.5, 0.8)]))).known
    assert known is not None and known.tolist() == [False, True, False]


def test_rules_in_json_are_read_as_json(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(
        '\ufeff[\n\t{"pattern": "\\ud83d\\ude00", "label": 8},\n\t{"label": 1.10, "pattern": "a"},'
        '\n\t{"label": true, "pattern": "b", "weight": 0.5}\n]',
        encoding="utf-8",
    )
    made = Rules(file=str(file)).rules
    assert [(one.labels[0], one.weight) for one in made] == [("8", 1.0), ("1.10", 1.0), ("true", 0.5)]
    assert made[0].says("a \N{GRINNING FACE}") == "8"
    for text, message in (
        ('[\n\t{"label": "a",\n\t"label": "b"}]', "rules.json, .*'label' is given twice.* line 3"),
        ('[\n\t{"label": "a",}]', "rules.json, .* line 2"),
        ('[\n\t{"label": null, "pattern": "a"}]', "rule 1 needs a label"),
    ):
        file.write_text(text)
        with pytest.raises(BadCall, match=message):
            Rules(file=str(file))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("eat", "a rule is a mapping"),
        ({"patern": "eat", "label": "food"}, "'patern'. Did you mean 'pattern'"),
        ({"pattern": "eat"}, "needs a label and one of"),
        ({"pattern": "eat", "field": "a", "label": "food"}, "needs a label and one of"),
        ({"pattern": "(", "label": "food"}, "no regular expression"),
        ({"pattern": "eat", "above": 1, "label": "food"}, "a pattern has no threshold"),
        ({"field": "a", "label": "food"}, "needs above, below, or both"),
        ({"field": "a", "above": "much", "label": "food"}, "above is a number, found 'much'"),
        ({"statistic": "word", "above": 1, "label": "food"}, "Did you mean 'words'"),
        ({"pattern": "eat", "label": "food", "weight": 0}, "weight must be greater than 0"),
    ],
)
def test_a_rule_that_is_not_understood(given: Any, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Rules(rules=[FOOD, given])


def test_options_that_are_refused() -> None:
    for options, message in (
        ({}, "has no rule"),
        ({"rules": [FOOD], "smoothing": 1.0}, "smoothing"),
        ({"rules": [FOOD], "combine": "votes"}, "Did you mean 'vote'"),
        ({"rules": [FOOD], "classes": "old"}, "classes is one of"),
        ({"rules": [{**FOOD, "name": "a"}, {**PAY, "name": "a"}]}, "two rules are called 'a'"),
    ):
        with pytest.raises(BadCall, match=message):
            Rules(**options)  # type: ignore[arg-type]


def test_a_label_that_is_no_class_is_named_before_anything_is_trained() -> None:
    made = Rules(rules=[FOOD, pattern("snow", "wether")])
    with pytest.raises(BadCall, match=r"rule 2: the label 'wether' is no class.*Did you mean 'weather'"):
        made.check_columns(NAMES)
    with pytest.raises(BadCall, match=r"Its classes: c0, .* and 2 more"):
        made.check_columns([f"c{k}" for k in range(10)])


def test_without_names_labels_are_numbers() -> None:
    made = Rules(rules=[pattern("eat", "1")], smoothing=0.0)
    made.begin_task(FIRST)
    assert made.teach(batch(["eat"])).logits.tolist() == [[-math.inf, 0.0]]
