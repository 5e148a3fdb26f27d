"""References: made beside a run, shared, resumed, waited for, and never the end of the run that asked."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import Nursery, weights, written

import lifelong_kd.study.references as references
from lifelong_kd import build, load_config
from lifelong_kd.comparison.read import read_runs
from lifelong_kd.config.load import Config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.references import add_references, has_references, reference_config, reference_folder
from lifelong_kd.training.folder import RunFolder
from lifelong_kd.training.interrupt import Interrupted

SETTINGS: dict[str, Any] = {
    "stream": {"name": "split_digits", "experiences": 3},
    "model": {"name": "mlp", "hidden": [16]},
    "strategy": {"name": "lwf"},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "training": {"epochs": 1},
    "tracking": {"wandb": {"mode": "disabled"}, "console": "off"},
    "device": "cpu",
}


def config_of(**sections: Any) -> Config:
    changed = {
        name: {**SETTINGS[name], **more} if isinstance(more, Mapping) and name in SETTINGS else more
        for name, more in sections.items()
    }
    return load_config({**SETTINGS, **changed})


def read(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def diagonal(matrix: list[list[float]]) -> list[float]:
    return [row[task] for task, row in enumerate(matrix)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """A folder with a finished run and its references, what was returned, and what was said."""
    runs = tmp_path_factory.mktemp("runs")
    config = config_of()
    build(config).run(runs / "main")
    assert not has_references(runs / "main")
    said: list[str] = []
    return runs, add_references(config, runs / "main", say=said.append), said


def test_scores_are_those_of_the_runs_in_the_folders(made: tuple[Path, dict[str, Any], list[str]]) -> None:
    runs, scores, _ = made
    main = read(runs / "main")
    assert main["references"] == scores and has_references(runs / "main")
    joint = read(runs / "main" / scores["joint"]["folder"])
    fresh = read(runs / "main" / scores["fresh"]["folder"])
    assert joint["strategy"]["name"] == "joint" and joint["status"] == fresh["status"] == "finished"
    own, best = diagonal(main["accuracy_matrix"]), diagonal(joint["accuracy_matrix"])
    assert scores["joint"]["accuracy"] == best
    assert scores["intransigence_per_task"] == pytest.approx([b - a for a, b in zip(own, best, strict=True)])
    assert scores["intransigence"] == pytest.approx(sum(best) / 3 - sum(own) / 3)
    # The fresh model knows the classes of one task: both are told apart among these.
    alone = diagonal(fresh["readings"]["task"]["accuracy_matrix"])
    learned = diagonal(main["readings"]["task"]["accuracy_matrix"])
    assert scores["fresh"]["accuracy"] == alone
    assert scores["transfer_from_past"] == pytest.approx(sum(learned[1:]) / 2 - sum(alone[1:]) / 2)
    assert len(scores["transfer_from_past_per_task"]) == 2


def test_the_rest_of_the_results_is_left_alone(made: tuple[Path, dict[str, Any], list[str]]) -> None:
    runs, scores, said = made
    assert len(said) == 2 and said[0].startswith("making the joint reference in ")
    assert list(read(runs / "main"))[-1] == "references"
    # A folder of runs is compared without its references; these can be compared by themselves.
    assert [Path(record.source).name for record in read_runs([runs])[0]] == ["main"]
    assert len(read_runs([runs / "references"])[0]) == 2
    assert scores["joint"]["folder"].startswith("../references/joint/joint-split_digits-class-s0-")


def test_a_second_run_reuses_them(
    made: tuple[Path, dict[str, Any], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, scores, _ = made
    config = config_of(strategy={"name": "naive"}, evaluation={"before_first": False})
    build(config).run(runs / "other")
    monkeypatch.setattr(references, "build", lambda reference: pytest.fail("made again"))
    again = add_references(config, runs / "other")
    assert again["joint"] == scores["joint"] and again["fresh"] == scores["fresh"]


def test_what_a_killed_process_left_is_resumed(made: tuple[Path, dict[str, Any], list[str]]) -> None:
    runs, scores, _ = made
    folder = runs / "main" / scores["fresh"]["folder"]
    (folder / "results.json").unlink()
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "status": "running"}))
    said: list[str] = []
    assert add_references(config_of(), runs / "main", say=said.append) == scores
    assert len(said) == 1 and said[0].startswith("resuming the fresh reference in ")


def test_data_that_have_changed_since(made: tuple[Path, dict[str, Any], list[str]]) -> None:
    runs, _, _ = made
    folder = reference_folder(runs / "main", "joint", reference_config(config_of(), "joint"))
    whole = (folder / "results.json").read_text()
    (folder / "results.json").write_text(json.dumps({**json.loads(whole), "data": "0000"}))
    said: list[str] = []
    scores = add_references(config_of(), runs / "main", say=said.append)
    (folder / "results.json").write_text(whole)
    assert scores["joint"] is None and scores["intransigence"] is None and scores["fresh"] is not None
    assert "was made of other data" in said[0]
    assert not has_references(runs / "main")


def test_one_in_use_is_waited_for_while_the_other_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "PAUSE", 0.01)
    config = config_of(stream={"name": "split_digits", "experiences": 2})
    build(config).run(tmp_path / "main")
    place = reference_folder(tmp_path / "main", "joint", reference_config(config, "joint"))
    place.parent.mkdir(parents=True)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "making the fresh" in text:
            other.close()

    with open(place.with_name(f".{place.name}.lock"), "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        scores = add_references(config, tmp_path / "main", say=say)
    assert [text.split(" reference")[0] for text in said] == [
        "the joint",
        "making the fresh",
        "making the joint",
    ]
    assert scores["joint"] is not None and scores["fresh"] is not None


def test_patience_ends(made: tuple[Path, dict[str, Any], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    runs, before, _ = made
    monkeypatch.setattr(references, "PAUSE", 0.01)
    # Someone has the run folder itself, as `lifelong-kd resume` would.
    folder = RunFolder(runs / "main" / before["joint"]["folder"])
    folder.lock()
    said: list[str] = []
    scores = add_references(config_of(), runs / "main", say=said.append, patience=0.05)
    folder.unlock()
    assert scores["joint"] is None and scores["fresh"] == before["fresh"]
    assert "waiting for" in said[0] and "still in use" in said[1] and len(said) == 2


def test_a_reference_that_fails_leaves_the_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(stream={"name": "split_digits", "experiences": 2})
    build(config).run(tmp_path / "main")
    before = read(tmp_path / "main")

    class Broken:
        def run(self, folder: Path, *, resume: bool) -> None:
            place = RunFolder(folder)
            place.write_yaml("config.yaml", {})
            place.write_json("run.json", {"status": "failed"})
            raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(references, "build", lambda reference, resume: Broken())
        said: list[str] = []
        scores = add_references(config, tmp_path / "main", say=said.append)
    assert (
        scores["joint"] is scores["fresh"] is scores["intransigence"] is scores["transfer_from_past"] is None
    )
    assert [text for text in said if text.startswith("no ")] == [
        "no joint reference: RuntimeError: out of memory",
        "no fresh reference: RuntimeError: out of memory",
    ]
    assert read(tmp_path / "main") == {**before, "references": scores}
    # It would fail again, and again in each cell of a sweep.
    said.clear()
    add_references(config, tmp_path / "main", say=said.append)
    assert len(said) == 2 and all("it failed before" in text for text in said)


def test_ctrl_c_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunFolder(tmp_path / "main").write_json("results.json", {"status": "finished"})

    class Stopped:
        def run(self, folder: Path, *, resume: bool) -> None:
            raise Interrupted("stopped")

    monkeypatch.setattr(references, "build", lambda reference, resume: Stopped())
    with pytest.raises(
        Interrupted, match=r"the run itself is finished. Go on with: lifelong-kd resume .*main"
    ):
        add_references(config_of(), tmp_path / "main", say=lambda text: None)
    assert read(tmp_path / "main") == {"status": "finished"}
    RunFolder(tmp_path / "main").refuse_in_use()


def test_refuses_a_run_that_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="no such run folder"):
        add_references(config_of(), tmp_path / "none")
    RunFolder(tmp_path / "main").write_json("results.json", {"status": "running"})
    with pytest.raises(BadCall, match="no finished run"):
        add_references(config_of(), tmp_path / "main")


@pytest.mark.parametrize("kind", references.KINDS)
def test_what_tells_references_apart(kind: str) -> None:
    name = reference_config(config_of(), kind).name
    alike = [
        config_of(strategy={"name": "lwf", "temperature": 4.0}),
        config_of(name="mine"),
        config_of(tracking={"log_every": 3}),
        config_of(evaluation={"every": 1}),
    ]
    assert {reference_config(config, kind).name for config in alike} == {name}
    others = [
        config_of(seed=1),
        config_of(training={"epochs": 2}),
        config_of(optimizer={"lr": 0.1}),
        config_of(model={"hidden": [17]}),
        config_of(stream={"experiences": 2}),
        config_of(precision="bf16"),
    ]
    assert len({name, *(reference_config(config, kind).name for config in others)}) == 7


def test_a_reference_is_told_to_nobody() -> None:
    settings = reference_config(
        config_of(tracking={"wandb": {"mode": "online"}, "console": "live"}), "joint"
    ).settings
    assert settings["tracking"]["wandb"]["mode"] == "disabled" and settings["tracking"]["console"] == "off"
    kept = {name: settings[name] for name in ("stream", "model", "optimizer", "training", "seed", "device")}
    assert kept == {name: config_of().settings[name] for name in kept}


def test_each_task_of_the_fresh_run_starts_with_an_empty_optimiser() -> None:
    config = config_of(training={"reset_optimizer": False})
    assert reference_config(config, "fresh").settings["training"]["reset_optimizer"] is True
    assert reference_config(config, "joint").settings["training"]["reset_optimizer"] is False


@pytest.mark.parametrize(
    "model", [{"name": "timm", "pretrained": True}, {"name": "mlp", "init": "runs/other"}]
)
def test_a_pretrained_model_has_no_fresh_reference(model: dict[str, object]) -> None:
    settings = {**config_of().settings, "model": model}
    with pytest.raises(BadCall, match="pre-trained"):
        reference_config(Config(settings, "python"), "fresh")


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_the_fresh_model_of_a_task_knows_nothing_of_the_task_before(scenario: str, tmp_path: Path) -> None:
    """The same task behind two others, in the same order of samples: the same weights to the last bit."""
    after = {}
    for first, last in (([0, 1], [2, 3]), ([2, 3], [0, 1])):
        config = config_of(
            stream={"scenario": scenario, "experiences": [first, [4, 5], [*last, 6, 7, 8, 9]]},
            training={"shuffle": False},
        )
        folder = tmp_path / str(first[0])
        build(reference_config(config, "fresh")).run(folder)
        after[first[0]] = weights(folder)
    one, other = after[0]["task_1.safetensors"], after[2]["task_1.safetensors"]
    assert all(torch.equal(one[name], other[name]) for name in one)
    one, other = after[0]["task_0.safetensors"], after[2]["task_0.safetensors"]
    assert not any(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_other_scenarios(scenario: str, tmp_path: Path) -> None:
    config = config_of(stream={"scenario": scenario, "experiences": 2})
    build(config).run(tmp_path / "main")
    scores = add_references(config, tmp_path / "main", say=lambda text: None)
    learned = diagonal(read(tmp_path / "main")["accuracy_matrix"])
    # Here the reading `task` is the stream's own.
    assert scores["transfer_from_past"] == pytest.approx(learned[1] - scores["fresh"]["accuracy"][1])
    assert scores["intransigence"] is not None


# ---- the command line -------------------------------------------------------------------------------------------

SMALL = {**SETTINGS, "stream": {"name": "split_digits", "experiences": 2}}


def forget_references(run: Path) -> None:
    """As if the process had been killed when the run was finished, and its references were not."""
    results = read(run)
    del results["references"]
    (run / "results.json").write_text(json.dumps(results))


def test_a_run_makes_them_the_next_one_takes_them_and_resume_makes_up_for_them(
    nursery: Nursery, tmp_path: Path
) -> None:
    config, runs = written(tmp_path / "config.yaml", SMALL), tmp_path / "runs"
    make = "evaluation.references=make"
    said = nursery.finish("run", config, make, "--out", runs / "lwf").said
    assert said.count("making the ") == 2
    scores = read(runs / "lwf")["references"]
    for name in ("intransigence", "transfer_from_past"):
        (line,) = [line for line in said.splitlines() if line.strip().startswith(name.replace("_", " "))]
        assert line.split()[-2:] == [f"{100 * scores[name]:.2f}", "%"]

    said = nursery.finish(
        "run", config, make, "strategy=naive", "rounds=single", "--out", runs / "naive"
    ).said
    assert "making" not in said and "intransigence" in said
    naive = read(runs / "naive")["references"]
    assert naive["joint"] == scores["joint"] and naive["fresh"] == scores["fresh"]

    # Without being asked nothing is made, and nothing is left to resume.
    assert "intransigence" not in nursery.finish("run", config, "--out", runs / "plain").said
    assert "references" not in read(runs / "plain")
    ended = nursery.call("resume", runs / "plain")
    assert ended.status == 2 and "there is nothing to resume" in ended.said

    forget_references(runs / "lwf")
    shutil.rmtree(runs / "lwf" / scores["joint"]["folder"])
    said = nursery.finish("resume", runs / "lwf").said
    assert "making the joint reference" in said and "making the fresh" not in said
    again = read(runs / "lwf")["references"]
    assert again["joint"].pop("run_id") != scores["joint"].pop("run_id")
    assert again == scores
    ended = nursery.call("resume", runs / "lwf")
    assert ended.status == 2 and "there is nothing to resume" in ended.said


def test_a_run_that_is_resumed_makes_them_at_its_end(nursery: Nursery, tmp_path: Path) -> None:
    config, run = written(tmp_path / "config.yaml", SMALL), tmp_path / "runs" / "killed"
    killed = nursery.call("run", config, "evaluation.references=make", "--out", run, moment=[12, None, ""])
    assert killed.status == -signal.SIGKILL and not (tmp_path / "runs" / "references").exists()
    assert nursery.finish("resume", run).said.count("making the ") == 2
    assert has_references(run)


def test_the_cells_of_a_sweep_share_them(nursery: Nursery, tmp_path: Path) -> None:
    config, study = written(tmp_path / "config.yaml", SMALL), tmp_path / "study"
    words = ("sweep", config, "strategy=lwf,naive", "evaluation.references=make", "--jobs", 2, "--out", study)
    nursery.finish(*words)
    cells = [Path(record.source) for record in read_runs([study])[0]]
    assert len(cells) == 2 and all(has_references(cell) for cell in cells)
    logs = "".join(path.read_text() for path in (study / "logs").iterdir())
    assert logs.count("making the joint reference") == logs.count("making the fresh reference") == 1
    one, other = (read(cell)["references"] for cell in cells)
    assert one["joint"] == other["joint"] and one["fresh"] == other["fresh"]

    forget_references(cells[0])
    said = nursery.finish(*words).said
    assert "2 runs, 1 of them finished already" in said and f"[1/1] {cells[0].name}: finished" in said
    assert read(cells[0])["references"] in (one, other)
    assert "2 runs, 2 of them finished already" in nursery.finish(*words).said
