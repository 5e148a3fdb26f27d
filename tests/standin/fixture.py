"""The fixture: a server, and an environment in which the SDK talks to it and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lifelong_kd.tracking.wandb.client import hang_up
from tests.standin.server import Server, stand_in

KEY = "0123456789" * 4
FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR")


@pytest.fixture
def wandb_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A W&B server that every SDK call of the test and of its child processes goes to."""
    import wandb

    # W&B reads its environment once a process: it is made to forget it before and after.
    wandb.teardown()
    with stand_in() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.delenv("WANDB_MODE", raising=False)
        for name in FOLDERS:
            folder = tmp_path / "wandb-home" / name.lower()
            folder.mkdir(parents=True)
            monkeypatch.setenv(name, str(folder))
        yield server
        hang_up()
        assert server.failures == [], "the stand-in could not answer"
