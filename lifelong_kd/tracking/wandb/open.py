"""Starting a W&B run, and falling back to an offline one where the server does not answer."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.tracking.wandb.files import fragments
from lifelong_kd.tracking.wandb.mode import Mode

if TYPE_CHECKING:
    import wandb

__all__ = ["open_run"]

# Seconds that a killed run can lose. The SDK's own 15 would leave a short run without any data at all.
FLUSH_INTERVAL = 1.0


def open_run(
    folder: Path,
    identity: str,
    mode: Mode,
    arguments: Mapping[str, Any],
    *,
    init_timeout: float,
    finish_timeout: float,
) -> tuple[wandb.Run, Mode, BaseException | None]:
    """Start the W&B run in ``mode``; returns it, the mode it is in, and why it is not the one asked for.

    Args:
        folder: the run folder.
        identity: the run's W&B id.
        mode: ``online`` or ``offline``.
        arguments: go to ``wandb.init`` as they are.
        init_timeout: seconds to wait for the server.
        finish_timeout: seconds to wait for the upload at the end.
    """
    import wandb

    _import_what_is_needed_later()
    _need_a_cache(folder)
    # Where the folder is missing the SDK would write to a temporary one instead.
    folder.mkdir(parents=True, exist_ok=True)
    # The SDK names a part by the second: two that begin in the same one would get into each other's way.
    while any((folder / "wandb").glob(f"*run-{time.strftime('%Y%m%d_%H%M%S')}-{identity}*")):
        time.sleep(0.05)

    def init(mode: Mode) -> wandb.Run:
        settings = wandb.Settings(
            init_timeout=init_timeout,
            finish_timeout=finish_timeout,
            finish_timeout_raises=True,
            x_transaction_log_flush_interval=FLUSH_INTERVAL,
            console="off",
            silent=True,
        )
        return wandb.init(
            id=identity,
            # Offline nobody knows whether the run exists already; "allow" makes its parts one run when uploaded.
            resume="allow",
            allow_val_change=True,
            dir=str(folder),
            mode=mode,
            # A run of its own, whatever run a notebook or script around it has open.
            reinit="create_new",
            settings=settings,
            **arguments,
        )

    if mode == "offline":
        return init("offline"), "offline", None
    before = set(fragments(folder, identity))
    try:
        return init("online"), "online", None
    except (wandb.errors.Error, TimeoutError, OSError) as error:
        failure = error
    # The SDK's service still holds the id of the attempt that failed and would refuse it.
    wandb.teardown()
    for empty in set(fragments(folder, identity)) - before:
        shutil.rmtree(empty, ignore_errors=True)
    return init("offline"), "offline", failure


def _need_a_cache(folder: Path) -> None:
    """Where the user's cache cannot be written the SDK's service says all that it does on stderr: it gets another."""
    from wandb.env import CACHE_DIR, get_cache_dir

    try:
        get_cache_dir().mkdir(parents=True, exist_ok=True)
        writable = os.access(get_cache_dir(), os.W_OK)
    except OSError:
        writable = False
    if not writable:
        os.environ[CACHE_DIR] = str(folder.absolute() / "wandb" / "cache")


def _import_what_is_needed_later() -> None:
    """What the SDK imports at its first call of ``log`` and its first picture, in the middle of training."""
    for module in ("opentelemetry.exporter.otlp.proto.http.metric_exporter", "PIL.PngImagePlugin", "pandas"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
