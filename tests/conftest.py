"""What every test runs in: a W&B without key and server that writes to a temporary folder only."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

pytest_plugins = ["tests.no_network", "tests.standin.fixture"]

# In the background of a script Ctrl-C is ignored, and so would it be by every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


@pytest.fixture(autouse=True)
def own_wandb() -> Iterator[None]:
    """What a test, or the SDK in it, leaves in the environment does not reach the next one."""
    before = _wandb_variables()
    yield
    left = _wandb_variables()
    for name in left.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _wandb_variables() -> dict[str, str]:
    """All but the address of the SDK's service, which comes and goes with it."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("WANDB_") and name != "WANDB_SERVICE"
    }


# Whose tests may run side by side, one by one; those of any other file stay together, in order.
SPREAD = (
    "conformance",
    "test_switching_off",
    "test_peers_defects",
    "test_digits_presets",
    "test_cifar100_presets",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``, the tests of a file stay in one process, in order; the long tables of cases are spread."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if any(part in nodeid for part in SPREAD) else nodeid.partition("::")[0]

    return ByFile(config, log)
