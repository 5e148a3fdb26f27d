"""The stand-in does what the SDK needs of a server, with the SDK itself as the client."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.standin.artifacts import put_artifact
from tests.standin.server import Server


def begin(**more: Any) -> Any:
    import wandb

    given = {"project": "p", "id": "one", "resume": "allow", "reinit": "create_new", **more}
    return wandb.init(settings=wandb.Settings(silent=True, init_timeout=10, finish_timeout=10), **given)


def test_a_run_is_logged_resumed_and_read_again(wandb_server: Server, tmp_path: Path) -> None:
    import wandb

    run = begin(name="The first", group="g", tags=["t"], job_type="train", config={"a": {"b": 1}})
    for index in range(3):
        run.log({"x": index})
    run.summary["score"] = 0.5
    run.finish(exit_code=255)
    stored = wandb_server.state.run("one")
    assert (stored.path, stored.display_name, stored.group) == ("someone/p/one", "The first", "g")
    assert (stored.config, stored.state, stored.exit_code) == ({"a": {"b": 1}}, "failed", 255)

    run = begin()
    assert run.resumed
    assert run.summary["score"] == 0.5
    assert stored.state == "running"
    run.log({"x": 9})
    run.finish()
    assert [(line["_step"], line["x"]) for line in stored.history] == [(0, 0), (1, 1), (2, 2), (3, 9)]
    assert (stored.state, stored.exit_code) == ("finished", 0)

    other = begin(id="two", config={"a": {"b": 2}})
    other.finish()
    api = wandb.Api(timeout=10)
    runs = api.runs("someone/p", per_page=1)
    assert [found.id for found in runs] == ["one", "two"]
    first = runs[0]
    assert (first.config, first.tags, first.group, first.state) == ({"a": {"b": 1}}, ["t"], "g", "finished")
    assert (first.summary["score"], first.summary["x"]) == (0.5, 9)
    assert [row["x"] for row in first.scan_history(keys=["x"])] == [0, 1, 2, 9]
    assert [row["x"] for row in first.scan_history(page_size=2)] == [0, 1, 2, 9]
    assert [row["x"] for row in first.history(pandas=False)] == [0, 1, 2, 9]
    for filters, expected in (
        ({"config.a.b": 2}, ["two"]),
        ({"tags": "t"}, ["one"]),
        ({"$or": [{"group": "g"}, {"state": "crashed"}]}, ["one"]),
        ({"summary_metrics.score": {"$gt": 0.5}}, []),
    ):
        assert [found.id for found in api.runs("someone/p", filters=filters)] == expected
    with pytest.raises(ValueError, match="none"):
        len(api.runs("someone/none"))


def test_artifacts_are_versioned_used_and_fetched(wandb_server: Server, tmp_path: Path) -> None:
    import wandb

    run = begin()
    for content in (b"first", b"second", b"second"):
        (tmp_path / "model.bin").write_bytes(content)
        artifact = wandb.Artifact("model", type="model", metadata={"bytes": len(content)})
        artifact.add_file(str(tmp_path / "model.bin"))
        run.log_artifact(artifact, aliases=["best"]).wait(20)
    versions = wandb_server.state.versions("someone", "p", "model")
    # The same content twice is one version, and an alias is where it was put last.
    assert [(one.version, one.aliases) for one in versions] == [(0, set()), (1, {"best", "latest"})]

    put_artifact(wandb_server.state, "q/teacher", {"a/b.txt": b"text"}, {"k": 1})
    used = run.use_artifact("someone/q/teacher:latest")
    assert (used.metadata, used.qualified_name) == ({"k": 1}, "someone/q/teacher:latest")
    folder = Path(used.download(str(tmp_path / "down")))
    assert (folder / "a" / "b.txt").read_bytes() == b"text"
    run.finish()

    api = wandb.Api(timeout=10)
    found = api.run("someone/p/one")
    assert [one.name for one in found.logged_artifacts()] == ["model:v0", "model:v1"]
    assert [one.name for one in found.used_artifacts()] == ["teacher:v0"]
    assert [one.id for one in api.artifact("someone/q/teacher:v0").used_by()] == ["one"]
    assert api.artifact("someone/p/model:v0").logged_by().id == "one"
    with pytest.raises(wandb.errors.CommError, match="nothing"):
        api.artifact("someone/p/nothing:v0")


@pytest.mark.slow
def test_an_agent_is_handed_a_run_of_a_sweep(wandb_server: Server, tmp_path: Path) -> None:
    import wandb

    program = tmp_path / "train.py"
    program.write_text(
        "import sys, wandb\n"
        "run = wandb.init()\n"
        "run.log({'double': 2 * run.config['x']})\n"
        "run.summary['arguments'] = sys.argv[1:]\n"
        "run.finish()\n"
    )
    config = {
        "program": str(program),
        "method": "grid",
        "parameters": {"x": {"values": [3]}},
        "command": [sys.executable, "${program}", "${args_no_hyphens}"],
    }
    sweep = wandb.sweep(config, entity="someone", project="p")
    command = [sys.executable, "-m", "wandb", "agent", "--count", "1", f"someone/p/{sweep}"]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120, capture_output=True)
    (run,) = wandb_server.state.runs
    assert (run.config["x"], run.history[0]["double"], run.state) == (3, 6, "finished")
    assert (run.fields["sweep"], run.summary["arguments"]) == (sweep, ["x=3"])


@pytest.mark.parametrize("fault", ["missing", "forbidden", "unauthorized"])
def test_a_fault_is_an_error_of_the_sdk(fault: Any, wandb_server: Server) -> None:
    import wandb

    wandb_server.fault = fault
    with pytest.raises((wandb.errors.Error, ValueError)):
        wandb.Api(timeout=5).artifact("someone/p/model:v0")


def test_a_stalled_server_takes_the_request_and_says_nothing(wandb_server: Server) -> None:
    import requests

    wandb_server.fault = "stall"
    began = time.monotonic()
    with pytest.raises(requests.Timeout):
        requests.post(f"{wandb_server.url}/graphql", json={"query": "query Viewer { viewer }"}, timeout=0.5)
    assert time.monotonic() - began < 5
    wandb_server.die()
    with pytest.raises(requests.ConnectionError):
        requests.get(wandb_server.url, timeout=5)


def test_what_it_does_not_know_is_no_silent_success(wandb_server: Server) -> None:
    import requests

    answer = requests.post(f"{wandb_server.url}/graphql", json={"query": "query Unheard { of }"}, timeout=5)
    assert answer.status_code == 400
    assert "'Unheard'" in answer.json()["errors"][0]["message"]
    assert wandb_server.failures.pop().startswith("unknown operation")
