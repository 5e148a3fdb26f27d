"""Online, offline or disabled: decided without a question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.wandb.mode import has_key, resolve_mode

KEY = "0123456789" * 4


def no_key() -> bool:
    return False


def key() -> bool:
    return True


def never() -> bool:
    raise AssertionError("the key was looked for although the run cannot go online")


@pytest.mark.parametrize(
    ("mode", "variable", "settled", "credentials", "expected"),
    [
        ("auto", None, None, no_key, "offline"),
        ("auto", None, None, key, "online"),
        ("auto", None, "online", no_key, "offline"),
        ("auto", None, "offline", never, "offline"),
        ("auto", None, "disabled", never, "disabled"),
        ("auto", "offline", "online", never, "offline"),
        ("auto", "dryrun", None, never, "offline"),
        ("auto", "disabled", None, never, "disabled"),
        ("auto", "online", "offline", key, "online"),
        ("auto", "run", "offline", key, "online"),
        ("online", "offline", "offline", key, "online"),
        ("offline", "online", "online", never, "offline"),
        ("disabled", "online", "online", never, "disabled"),
    ],
)
def test_mode(
    mode: str, variable: str | None, settled: str | None, credentials: Callable[[], bool], expected: str
) -> None:
    environment = {} if variable is None else {"WANDB_MODE": variable}
    resolved = resolve_mode(mode, credentials, environment=environment, settled=lambda: settled)
    assert resolved.mode == expected
    assert resolved.warning is None


@pytest.mark.parametrize(("mode", "environment"), [("online", {}), ("auto", {"WANDB_MODE": "online"})])
def test_online_without_a_key_is_offline_with_the_way_out(mode: str, environment: dict[str, str]) -> None:
    resolved = resolve_mode(mode, no_key, environment=environment)
    assert resolved.mode == "offline"
    assert resolved.warning is not None
    assert "wandb login" in resolved.warning


def test_a_mode_that_does_not_exist_names_where_it_stands_and_the_right_one() -> None:
    with pytest.raises(BadCall, match=r"tracking\.wandb\.mode is 'ofline'.*Did you mean 'offline'"):
        resolve_mode("ofline", never, environment={})
    with pytest.raises(BadCall, match=r"WANDB_MODE is 'onlin'"):
        resolve_mode("auto", never, environment={"WANDB_MODE": "onlin"})


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    return path


def test_no_key_anywhere(netrc: Path) -> None:
    assert not has_key()


def test_key_in_the_environment(netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert has_key()


def test_key_in_netrc_counts_for_its_own_host_only(netrc: Path) -> None:
    netrc.write_text(f"machine example.org login user password {KEY}\n")
    assert not has_key()
    netrc.write_text(f"machine 127.0.0.1:9 login user password {KEY}\n")
    assert has_key()
