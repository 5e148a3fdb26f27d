"""The SDK's client for what lies on the server."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.wandb.mode import has_key

__all__ = ["client", "hang_up"]

# Seconds that the server may take for one answer, how often it is asked again, and the pause between.
TIMEOUT, RETRIES, PAUSE = 20, 2, 2.0


def client() -> Any:
    """A ``wandb.Api`` that asks nothing of the user and gives up soon; the SDK by itself goes on for a hundred seconds.

    Raises:
        BadCall: if there is no key.
    """
    import wandb
    from wandb.sdk import wandb_setup

    settings = wandb_setup.singleton().settings
    settings.x_graphql_timeout_seconds = float(TIMEOUT)
    settings.x_graphql_retry_max = RETRIES
    settings.x_graphql_retry_wait_max_seconds = PAUSE
    # Without a key the client would ask for one.
    if not has_key():
        raise BadCall("there is no W&B API key: run `wandb login`, or set WANDB_API_KEY")
    return wandb.Api(timeout=TIMEOUT)


def hang_up(seconds: float = 5.0) -> None:
    """End the SDK's service in this process, and kill it after ``seconds``.

    One that gave up a request now and then does not end by itself (0.31), and the process would wait for it.
    """
    import wandb
    from wandb.sdk import wandb_setup

    connection = getattr(wandb_setup._singleton, "_connection", None)
    service = getattr(getattr(connection, "_proc", None), "_process", None)
    killer = threading.Timer(seconds, service.kill if service is not None else lambda: None)
    killer.start()
    try:
        # A service that was killed would end this process with its exit status.
        with contextlib.suppress(SystemExit):
            wandb.teardown()
    finally:
        killer.cancel()
