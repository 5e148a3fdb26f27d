"""Models of a W&B server: fetched, kept, checked, and what is said where they cannot be had."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.wandb.fetch import fetch_model, parse_artifact
from tests.standin.artifacts import put_artifact
from tests.standin.server import Server


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIFELONG_KD_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def put(server: Server, content: bytes = b"weights") -> None:
    put_artifact(server.state, "p/m", {"task_1.safetensors": content}, {"digest": "d"})


def test_a_model_is_fetched_once_and_used_without_the_server(
    wandb_server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(wandb_server)
    found = fetch_model("someone/p/m:latest")
    assert (found.name, found.digest, found.path.read_bytes()) == ("someone/p/m:v0", "d", b"weights")
    assert found.path.is_relative_to(cache)
    # Nothing half-made is left.
    assert not list(cache.glob(".fetching-*"))

    # A tag is asked for again, and the version that it means now is another.
    put(wandb_server, b"newer")
    assert fetch_model("p/m").path.read_bytes() == b"newer"
    assert fetch_model("p/m").name == "someone/p/m:v1"

    # Versions do not change, so nobody is asked.
    before = len(wandb_server.operations)
    assert fetch_model("someone/p/m:v0") == found
    assert len(wandb_server.operations) == before

    # A tag means what it meant, where nobody can be asked.
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert fetch_model("someone/p/m:latest") == found
    assert "using someone/p/m:v0, fetched before" in capsys.readouterr().err

    # What was changed on disk is not used.
    found.path.write_bytes(b"tampered")
    with pytest.raises(
        BadCall, match=r"cannot be fetched: WANDB_MODE says offline; connect, or give the file"
    ):
        fetch_model("someone/p/m:v0")


def test_what_the_server_does_not_have(wandb_server: Server, cache: Path) -> None:
    put(wandb_server)
    with pytest.raises(
        BadCall, match=r"^wandb:someone/p/other:v3 is not on the W&B server: .*other:v3.*not found"
    ):
        fetch_model("someone/p/other:v3")
    put_artifact(wandb_server.state, "p/data", {"a.txt": b"", "b.txt": b"1"}, {})
    with pytest.raises(
        BadCall, match=r"data:v0 is no model: one \.safetensors file is needed, found a\.txt, b\.txt"
    ):
        fetch_model("someone/p/data:latest")
    wandb_server.fault = "forbidden"
    with pytest.raises(BadCall, match=r"cannot be fetched: .*permission denied"):
        fetch_model("someone/p/m:latest")
    assert not list(cache.glob("*"))


def test_a_download_that_was_spoilt_is_not_kept(wandb_server: Server, cache: Path) -> None:
    put(wandb_server)
    (key,) = (key for key in wandb_server.state.stored if key.endswith(".safetensors"))
    wandb_server.state.stored[key] = b"other bytes"
    with pytest.raises(BadCall, match="cannot be fetched"):
        fetch_model("someone/p/m:latest")
    assert not list(cache.glob("[!.]*"))


def test_no_key_and_no_server(wandb_server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb_server.fault = "stall"
    began = time.monotonic()
    with pytest.raises(BadCall, match=r"the W&B server did not answer within 2 s; connect, or give"):
        fetch_model("someone/p/m:latest", timeout=2.0)
    assert time.monotonic() - began < 6
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(BadCall, match=r"there is no W&B API key; run `wandb login`, or set WANDB_API_KEY"):
        fetch_model("someone/p/m:latest")


@pytest.mark.parametrize("reference", ["m", "m:latest", "a/b/c/d:v0", "e/p/m:v0:v1", "/p/m", ""])
def test_what_names_no_artifact(reference: str) -> None:
    with pytest.raises(BadCall, match=r"allowed is wandb:ENTITY/PROJECT/NAME:TAG"):
        parse_artifact(reference)


def test_what_may_be_left_out() -> None:
    assert parse_artifact("p/m") == (None, "p", "m", "latest")
    assert parse_artifact("e/my project/m.1:v2") == ("e", "my project", "m.1", "v2")
