"""`lifelong-kd show`: every component has a page that says what it is, from where, and how it is run."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Annotated

import pytest
from click.testing import CliRunner

import lifelong_kd
from lifelong_kd.catalogue import KEYS, keys_page, page
from lifelong_kd.catalogue.docstring import links, read
from lifelong_kd.catalogue.layout import paragraph
from lifelong_kd.catalogue.parts import needs_of, parts_of
from lifelong_kd.cli import main
from lifelong_kd.config.build import build_parts
from lifelong_kd.config.describe import component_words, describe
from lifelong_kd.config.dialect import parse_value
from lifelong_kd.config.load import Config, load_config
from lifelong_kd.config.make import make
from lifelong_kd.config.nouns import NOUNS, registry_of
from lifelong_kd.config.signature import options_of
from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.cosine import Cosine
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.schedule.combined import Product
from lifelong_kd.schedule.per_task import PerTask
from lifelong_kd.schedule.ratio import SqrtOldNew
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.compose import compose
from lifelong_kd.strategy.held import Held
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.snapshot import Snapshot
from tests.conformance.table import STRATEGY

EVERY = [(noun, entry.name) for noun in NOUNS for entry in registry_of(noun) if entry.owner == "lifelong_kd"]
METHODS = [name for noun, name in EVERY if noun == "strategy"]
NO_PAPER = {"naive", "joint", "compose"}
# Their examples name a file or a package that stands for one's own.
OF_ONES_OWN = {("teacher", "external"), ("pool", "files")}


@cache
def shown(noun: str, name: str) -> str:
    return page(noun, name)


def part(text: str, title: str) -> str:
    """What stands below a heading."""
    found = re.search(rf"^{re.escape(title)}[^\n]*\n((?:(?: .*)?\n)*(?: .*)?)", text + "\n", re.MULTILINE)
    return found[1] if found else ""


@pytest.mark.parametrize(("noun", "name"), EVERY)
def test_every_page_has_a_sentence_and_documents_every_option(noun: str, name: str) -> None:
    factory = registry_of(noun).get(name)
    doc, text = read(factory), shown(noun, name)
    assert re.fullmatch(r".{10,}[.:]", doc.summary), f"{noun} {name} begins with no sentence: {doc.summary}"
    missing = set(options_of(factory, name)) - set(doc.arguments)
    assert not missing, f"{noun} {name}: Args: says nothing about {sorted(missing)}"
    assert text.startswith(f"{noun} {name}, from lifelong_kd\n")
    assert "``" not in text and ":class:" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_page_names_its_paper_formula_and_parts(name: str) -> None:
    text = shown("strategy", name)
    assert part(text, "Formula"), (
        f"{name}: no paragraph of its docstring begins with a formula in double backticks"
    )
    if name not in NO_PAPER:
        paper = part(text, "Paper")
        assert re.search(r"\b(19|20)\d\d\b", paper), (
            f"{name}: no paragraph begins with 'Paper:' and has a year"
        )
        found = "https://" in paper or "no arXiv number" in paper
        assert found, f"{name}: its paper has no arXiv number or doi, and does not say so ('no arXiv number')"
    assert "task loss" in part(text, "Parts") and "memory" in part(text, "Needs")


@pytest.mark.parametrize("name", sorted(set(METHODS) & set(STRATEGY)))
def test_a_page_does_not_promise_scenarios_that_are_not_checked(name: str) -> None:
    said = part(shown("strategy", name), "Needs")
    if set(STRATEGY[name][1]) != {"class", "task", "domain"}:
        assert "class-, task- or domain-incremental" not in said, (
            f"{name}: a paragraph 'Needs:' has to name its streams"
        )


@pytest.mark.parametrize(("noun", "name"), EVERY)
def test_the_example_on_every_page_is_valid(noun: str, name: str) -> None:
    text = shown(noun, name)
    assert part(text, "Run").strip().startswith("lifelong-kd run ")
    lines = [line for line in part(text, "In a configuration").splitlines() if not line.startswith("  (")]
    config = load_config(parse_value(textwrap.dedent("\n".join(lines))))
    if (noun, name) in OF_ONES_OWN:
        assert "stand for your own" in text
        return
    try:
        make("strategy", config.settings["strategy"])
    except DataMissing:
        assert "stand for your own" in text


def test_the_example_is_a_preset_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(lifelong_kd.__file__).resolve().parents[1]
    monkeypatch.chdir(root)
    assert "\n  lifelong-kd run configs/split_digits/lwf.yaml\n" in page("strategy", "lwf")
    monkeypatch.chdir(tmp_path)
    command = part(page("strategy", "lwf"), "Run").split()
    assert (tmp_path / command[-1]).resolve() == root / "configs" / "split_digits" / "lwf.yaml"
    monkeypatch.setattr("lifelong_kd.catalogue.example._presets", dict)
    assert "\n  lifelong-kd run example.yaml\n\nIn a configuration, to be saved as example.yaml\n" in page(
        "strategy", "lwf"
    )


# ---- what is read off the object --------------------------------------------------------------------------------


def test_parts_of_lwf() -> None:
    assert part(shown("strategy", "lwf"), "Parts").splitlines()[:3] == [
        "  task loss   cross-entropy, over all classes, x the new batch x weight 1",
        "  term kd     snapshot (bn frozen) x kd (temperature 2) x the new batch x weight 0.25, over the old",
        "              classes",
    ]


def test_what_a_term_is_fitted_to_is_said() -> None:
    hard = Distill(Snapshot(), Kd(temperature=1.0), over="seen", target="hard", target_noise=0.5)
    strategy = Strategy(terms={"hard": hard, "soft": Distill(Snapshot(), Kd(temperature=1.0), over="seen")})
    rows = dict(parts_of(strategy))
    soft = "snapshot (bn frozen) x kd (temperature 1) x the new batch x weight 1, over the classes seen"
    assert rows["term soft"] == soft
    assert rows["term hard"] == (
        f"{soft}, target hard: the class that the teacher finds most likely, target_noise 0.5 on the teacher's logits"
    )


def test_parts_are_those_of_the_object() -> None:
    shared = Snapshot(bn="adapt")
    strategy = Strategy(
        task_loss=TaskLoss("new", smoothing=0.1),
        terms={
            "a": Distill(
                shared, Kd(temperature=4.0), weight=[0.0, 0.5], over="per_task", view="raw", separate=True
            ),
            "b": Distill(shared, Cosine(), weight=SqrtOldNew(scale=2.0), source="memory"),
            "c": Rehearse(TaskLoss("new"), source="memory2", weight=PerTask(weights=[1.0])),
            "d": Distill(Ensemble(teachers=[Ema(decay=0.9), Ema()]), Kd(), view="both", over="all"),
        },
        memory=Reservoir(capacity=30),
        memory_batch=8,
    )
    # Not through the constructor, which refuses terms that draw from all of the memory beside it.
    strategy.held = Held(0.1)
    rows = dict(parts_of(strategy))
    assert (
        rows["task loss"]
        == "cross-entropy of labels smoothed by 0.1, over the new classes, x the new batch x weight 1"
    )
    assert rows["term a"] == (
        "snapshot (bn adapt) 'A' x kd (temperature 4) x the new batch x weight [0.0, 0.5], one a task,"
        " over each earlier task's classes, on samples without augmentation, by an optimiser step of its own"
    )
    assert rows["term b"].startswith(
        "snapshot (bn adapt) 'A' x cosine x a memory batch x weight sqrt_old_new (scale 2)"
    )
    assert rows["term c"] == (
        "the task loss over the classes seen x a second memory batch x weight [1.0], one a task"
    )
    assert (
        rows["term d"].startswith("ensemble (ema (decay 0.9")
        and "with and without augmentation" in rows["term d"]
    )
    assert rows["memory"] == "reservoir (capacity 30), 8 drawn a step"
    assert rows["held out"].startswith("0.1 of the exemplars")
    assert dict(needs_of(strategy))["network"] == "one that shows its features (the input of its head)"
    assert dict(needs_of(compose())) == {"memory": "none", "network": "any"}


def test_what_a_knowledge_and_a_teacher_say_of_themselves() -> None:
    knowledge, teacher = shown("knowledge", "kd"), shown("teacher", "stored")
    assert "compares  logits" in part(knowledge, "Needs")
    assert "Hinton, Vinyals, Dean 2015, arXiv 1503.02531" in part(knowledge, "Paper")
    assert "https://arxiv.org/abs/1503.02531" in part(knowledge, "Paper")
    assert "T^2 * sum_c p_c * (log p_c - log q_c)" in part(knowledge, "Formula")
    assert "teaches on  memory, memory2" in part(teacher, "Needs")
    assert "one that keeps logits" in part(teacher, "Needs")
    assert "before the task's own training" in part(shown("phase", "expert"), "Needs")
    assert "in training and in evaluation" in part(shown("correction", "bias_layers"), "Needs")


# ---- the text ---------------------------------------------------------------------------------------------------


def method(*, rate: float = 1.0, many: int) -> None:
    """A method of nobody.

    ``L = CE(new batch)
    + rate * KL`` over all classes, as :class:`~somewhere.Else` says.

    Paper: One & Two 2020, "A title", arXiv 2004.01234, and doi:10.1038/s4-2.

    Needs: a cosine head.

    More words, such as (Three et al. 2019) and (Three et al. 2019, arXiv 1912.00001).

    * an item that is long enough to be wrapped
      over two lines;
    * another.

    Args:
        rate: in [0, 1].
        many: how
            many.

    Raises:
        BadCall: if it is
            wrong.
        ValueError: never.

    Configuration:
        strategy: {name: lwf}

    Example:
        >>> 1 + 1
        2
    """


def test_a_docstring_is_taken_apart() -> None:
    doc = read(method)
    assert doc.summary == "A method of nobody."
    assert doc.formula == ["L = CE(new batch) + rate * KL", "over all classes, as `Else` says."]
    assert doc.papers == ['One & Two 2020, "A title", arXiv 2004.01234, and doi:10.1038/s4-2.']
    assert links(doc.papers) == ["https://arxiv.org/abs/2004.01234", "https://doi.org/10.1038/s4-2"]
    assert doc.needs == ["a cosine head."]
    assert doc.arguments == {"rate": "in [0, 1].", "many": "how many."}
    assert doc.raises == ["BadCall: if it is wrong.", "ValueError: never."]
    assert doc.settings == {"strategy": {"name": "lwf"}} and doc.example == ">>> 1 + 1\n2"
    assert len(doc.paragraphs) == 2 and doc.paragraphs[1].startswith("* an item")


def test_references_stand_for_a_paper_where_there_is_none() -> None:
    def other() -> None:
        """Other.

        As in (Three et al. 2019) and (Three et al. 2019, arXiv 1912.00001), not (2019) or (T, 5000).
        """

    assert read(other).papers == ["Three et al. 2019, arXiv 1912.00001"]


def test_prose_is_wrapped_and_lists_and_code_are_kept() -> None:
    text = "* an item that is long\n  enough\n* another"
    assert paragraph(text, 30) == "  * an item that is long enough\n  * another".replace(
        " enough", "\n    enough"
    )
    assert paragraph(">>> f(1,\n...   2)", 10) == "  >>> f(1,\n  ...   2)"


@pytest.mark.parametrize("width", [60, 100])
def test_a_page_keeps_to_its_width_and_has_bold_headings_on_a_terminal(width: int) -> None:
    text = page("strategy", "lwf", width=width)
    about = part(text, "Paper") + part(text, "About")
    assert max(len(line) for line in about.splitlines()) <= width
    assert "\033[" not in text and "\033[1mPaper\033[0m\n" in page("strategy", "lwf", bold=True)
    assert "\033[" not in CliRunner().invoke(main, ["show", "strategy", "lwf"]).output


def test_an_unknown_name_has_no_page() -> None:
    with pytest.raises(BadCall, match="Did you mean 'bias_layers'"):
        page("correction", "bias_layer")
    with pytest.raises(BadCall, match="no noun called 'fase'"):
        page("fase", "expert")


def test_a_page_of_ones_own_component(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from lifelong_kd.strategy.terms import register\n"
        "@register('mine')\n"
        "def mine(*, weight: float):\n    'A term that cannot be built.'\n    raise ValueError('odd')\n"
    )
    result = CliRunner().invoke(main, ["show", "term", "mine", "--import", str(file)])
    try:
        assert result.exit_code == 0, result.output
        assert f"term mine, from {file}" in result.output and "weight: a number; required" in result.output
        assert "mine:\n        name: mine\n        weight: 1.0" in result.output
    finally:
        registry_of("term").remove("mine")


# ---- rounds and families of scores -------------------------------------------------------------------------------


def example_of(noun: str, name: str) -> Config:
    return load_config(parse_value(textwrap.dedent(part(shown(noun, name), "In a configuration"))))


@pytest.mark.parametrize("name", registry_of("rounds").names())
def test_a_controller_is_shown_around_a_strategy_that_it_can_do_something_with(name: str) -> None:
    config = example_of("rounds", name)
    assert config.settings["rounds"]["name"] == name
    strategy, _, _, _, controller, _ = build_parts(config)
    controller.check(dict.fromkeys(strategy.terms, "distill"))
    assert list(strategy.terms) == (["replay"] if "generator" in controller.looks else ["kd"])


@pytest.mark.parametrize("name", registry_of("family").names())
def test_a_family_is_shown_as_a_key_of_evaluation(name: str) -> None:
    config = example_of("family", name)
    assert f"\n  evaluation:\n    {name}:" in shown("family", name)
    # What is on by default would be there without it, with the same options.
    assert name in build_parts(config)[-1]
    assert example_of("family", name).settings["evaluation"] == config.settings["evaluation"]
    wanted = {option: o.default for option, o in options_of(registry_of("family").get(name), name).items()}
    assert config.settings["evaluation"][name] == wanted


def test_the_keys_of_evaluation_are_the_fixed_ones_and_the_families() -> None:
    text = keys_page("evaluation")
    fixed = re.findall(r"^  (\w+): ", part(text, "Keys"), flags=re.MULTILINE)
    assert fixed == ["every", "before_first", "train_samples", "references"]
    families = dict(
        re.findall(r"^  (\w+): .*; default (\w+)$", part(text, "Families of scores"), flags=re.MULTILINE)
    )
    assert list(families) == registry_of("family").names()
    on = {name for name, default in families.items() if default == "true"}
    assert on == {"calibration", "cost", "generalisation", "samples", "teacher"}
    assert "`lifelong-kd show family NAME`" in text and "Accuracy on corrupted test images" in text
    assert "show family NAME" not in keys_page("training")
    changes = part(text, "On the command line").split()[3:]
    settings = load_config({"stream": "split_digits", "model": "mlp", "strategy": "naive"}, changes).settings
    assert changes[1] == "evaluation.compression=true"
    assert settings["evaluation"]["compression"] == {"repeats": 30}


def test_formulas_in_a_page_keep_their_lines() -> None:
    about = part(shown("rounds", "born_again"), "About")
    assert "\n      D  = 1/J sum_j mean_i d_ji\n      SE = " in about and "::" not in about


def test_papers_by_number_alone_have_authors_where_they_are_named() -> None:
    papers = part(shown("rounds", "born_again"), "Paper")
    assert 'Furlanello et al., "Born-Again Neural Networks", arXiv:1805.04770' in papers
    assert "Hendrycks and Dietterich 2019, arXiv:1903.12261" in part(shown("family", "robustness"), "Paper")
    probing = part(shown("family", "representation"), "Paper")
    assert "Davari et al., " in probing and "Lanzillotta et al., arXiv:2512.07400" in probing

    def nameless() -> None:
        """Nameless.

        As is known (arXiv:1701.00001).
        """

    assert read(nameless).papers == ["arXiv:1701.00001"]


def test_a_controller_is_called_that_in_messages() -> None:
    with pytest.raises(BadCall, match="there is no controller of rounds called 'balanc'"):
        load_config({"stream": "split_digits", "model": "mlp", "strategy": "naive", "rounds": "balanc"})
    assert component_words("rounds") == "a controller of rounds by name or {name: ..., options}"
    listed = describe(list[Annotated[object, Component("rounds")]])
    assert listed == "a list of controllers of rounds, each by name or {name: ..., options}"
    assert describe(list[Annotated[object, Component("family")]]).startswith(
        "a list of families, each by name"
    )


# ---- what is no component ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
def test_every_key_of_the_configuration_has_a_meaning(name: str) -> None:
    text = keys_page(name)
    keys = re.findall(r"^  ([\w.]+): .*; default ", text, flags=re.MULTILINE)
    assert len(keys) >= 3 and text.count("\n      ") >= len(keys)
    command = part(text, "On the command line").split()[-1]
    assert load_config({"stream": "split_digits", "model": "mlp", "strategy": "naive"}, [command])


def test_one_word_shows_the_keys_of_a_part_of_the_configuration() -> None:
    shown_keys = CliRunner().invoke(main, ["show", "training"])
    assert (
        shown_keys.exit_code == 0 and "epochs: a whole number (at least 1); default 10" in shown_keys.stdout
    )
    misspelt = CliRunner().invoke(main, ["show", "trainig"])
    assert misspelt.exit_code == 2 and "Did you mean 'training'?" in misspelt.stderr


@pytest.mark.parametrize("noun", ["stream", "model"])
def test_the_options_of_every_stream_and_model_have_a_meaning(noun: str) -> None:
    name = {"stream": "split_digits", "model": "mlp"}[noun]
    below = part(shown(noun, name), f"Options of every {noun}")
    keys = re.findall(r"^  (\w+): ", below, flags=re.MULTILINE)
    assert keys and len(re.findall(r"^      \S", below, flags=re.MULTILINE)) >= len(keys)


def test_made_up_examples_show_what_their_component_is_for() -> None:
    new = load_config(
        parse_value(textwrap.dedent(part(shown("teacher", "concatenation"), "In a configuration")))
    )
    assert new.settings["strategy"]["teachers"]["new"]["name"] == "expert"
    assert "teachers: [snapshot, ema]" in shown("teacher", "choice")
    assert "architecture: resnet18" in shown("model", "torchvision")
    assert "head: cosine" in shown("term", "margin_ranking")
    assert "weights: [1.0, 1.0, 1.0, 1.0, 1.0]" in shown("schedule", "per_task")


def test_a_weight_made_of_weights_says_of_which() -> None:
    strategy = Strategy(
        terms={"a": Distill(Snapshot(), Kd(), weight=Product(of=SqrtOldNew(scale=2.0), by=3.0))}
    )
    assert dict(parts_of(strategy))["term a"].endswith(
        "weight product (of sqrt_old_new (scale 2), by 3), over the old classes"
    )
