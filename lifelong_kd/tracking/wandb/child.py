"""A process of its own for what the SDK might never return from."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from lifelong_kd.tracking.wandb.client import PAUSE, RETRIES, TIMEOUT

__all__ = ["PATIENCE", "run_child"]

PATIENCE = {
    "WANDB_HTTP_TIMEOUT": f"{TIMEOUT:g}",
    "WANDB_X_GRAPHQL_RETRY_MAX": f"{RETRIES:g}",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": f"{PAUSE:g}",
}
"""How long the SDK waits for the server: by itself it asks for a hundred seconds."""


def run_child(
    command: Sequence[str], environment: Mapping[str, str], timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """Run a command with what it says on either stream, and end it with all that it started.

    Args:
        command: the program and its arguments.
        environment: all of its environment.
        timeout: seconds after which it is killed; ``None`` to wait for its end.

    Raises:
        subprocess.TimeoutExpired: if it was killed.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        said, complaint = process.communicate(timeout=timeout)
    finally:
        # The SDK's service is a child of the process.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return subprocess.CompletedProcess(list(command), process.returncode, said, complaint)
