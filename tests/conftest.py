"""What every test runs in: a W&B without key and server that writes to a temporary folder only."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.no_network", "tests.standin.fixture"]

# Matrices of a few rows gain nothing from threads, and several processes would fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Port 9 is closed: whatever would go out is refused at once.
SETTINGS = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB_X_DISABLE_STATS": "true",
    "WANDB_X_DISABLE_META": "true",
    "WANDB_X_SAVE_REQUIREMENTS": "false",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_BASE_URL": "http://127.0.0.1:9",
}
FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR")


@pytest.fixture(scope="session", autouse=True)
def quiet_wandb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment of every test, set before anything imports wandb."""
    home = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        del os.environ[name]
    os.environ.update(SETTINGS)
    os.environ.update({name: str(home / name.lower()) for name in FOLDERS})
    for name in FOLDERS:
        (home / name.lower()).mkdir()
    # The W&B SDK looks for keys in the netrc file; data sets and caches keep the real home.
    os.environ["NETRC"] = str(home / "netrc")
    yield
    os.environ.clear()
    os.environ.update(before)


# Whose tests may run side by side, one by one; those of any other file stay together, in order.
SPREAD = (
    "conformance",
    "test_switching_off",
    "test_peers_defects",
    "test_digits_presets",
    "test_cifar100_presets",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``-n``, spread the long tables of independent cases over the processes."""
    for item in items:
        if not any(part in item.nodeid for part in SPREAD):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
