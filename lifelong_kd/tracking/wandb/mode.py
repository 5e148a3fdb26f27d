"""Whether a run may talk to a W&B server: decided without a question and without the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["MODES", "Asked", "Mode", "Resolved", "decide", "has_key", "resolve_mode", "settled_mode"]

Asked = Literal["auto", "online", "offline", "disabled"]
Mode = Literal["online", "offline", "disabled"]
MODES: tuple[Asked, ...] = ("auto", "online", "offline", "disabled")

# The SDK's older names for two of its modes.
_ALIASES: dict[str, Mode] = {"dryrun": "offline", "run": "online", "shared": "online"}


@dataclass(frozen=True)
class Resolved:
    """The mode a run will use; ``warning`` tells the user why it is not the one that was asked for."""

    mode: Mode
    warning: str | None = None


def resolve_mode(
    mode: str,
    has_credentials: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
    settled: Callable[[], str | None] = lambda: None,
) -> Resolved:
    """The mode to use: ``mode`` itself, else what the surroundings say.

    For ``auto`` these are ``WANDB_MODE``, the user's W&B settings and whether there is a key, in this order.
    ``has_credentials`` tells whether credentials are found and is asked only when the run could go online;
    ``settled`` gives the mode in the user's W&B settings files (``wandb offline``). Without a key the result
    is offline whatever was asked for, because the SDK would stop and ask for one. Raises ``BadCall`` for a
    mode that does not exist and passes on what ``has_credentials`` raises.

    >>> resolve_mode("auto", lambda: False, environment={})
    Resolved(mode='offline', warning=None)
    >>> resolve_mode("auto", lambda: True, environment={})
    Resolved(mode='online', warning=None)
    >>> resolve_mode("auto", lambda: True, environment={"WANDB_MODE": "disabled"})
    Resolved(mode='disabled', warning=None)
    """
    _check(mode, "tracking.wandb.mode", MODES)
    variable = (os.environ if environment is None else environment).get("WANDB_MODE", "")
    wanted, insisted = mode, mode == "online"
    if wanted == "auto" and variable:
        wanted = _ALIASES.get(variable, variable)
        _check(wanted, "WANDB_MODE", MODES[1:])
        insisted = wanted == "online"
    if wanted == "auto":
        chosen = settled()
        wanted = _ALIASES.get(chosen or "", chosen or "auto")
    if wanted == "disabled":
        return Resolved("disabled")
    if wanted == "offline":
        return Resolved("offline")
    if has_credentials():
        return Resolved("online")
    if insisted:
        return Resolved(
            "offline",
            "W&B online was asked for but there is no API key, so the run is logged offline;"
            " run `wandb login` or set WANDB_API_KEY",
        )
    return Resolved("offline")


def decide(asked: Asked) -> Resolved:
    """``resolve_mode`` by the environment, the settings and the key of this machine; a malformed key means offline.

    Where W&B is switched off the SDK is not even imported.
    """
    if asked == "disabled" or (asked == "auto" and os.environ.get("WANDB_MODE") == "disabled"):
        return Resolved("disabled")
    import wandb

    try:
        return resolve_mode(asked, has_key, settled=settled_mode)
    except wandb.errors.AuthenticationError as error:
        return Resolved("offline", f"the W&B key cannot be used, so the run is logged offline ({error})")


def _check(mode: str, key: str, allowed: tuple[str, ...]) -> None:
    if mode not in allowed:
        hint = nearest(mode, allowed)
        suggestion = f" Did you mean {hint!r}?" if hint else ""
        raise BadCall(f"{key} is {mode!r}; it must be one of {', '.join(allowed)}.{suggestion}")


def has_key() -> bool:
    """Whether the SDK would find credentials in the environment, the netrc file or its settings."""
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib import wbauth

    host = wandb_setup.singleton().settings.base_url
    found = wbauth.authenticate_session(host=host, source="lifelong-kd", prompt=False, update_session=False)
    return found is not None


def settled_mode() -> str | None:
    """The mode in the user's W&B settings files, which ``wandb offline`` writes."""
    from wandb.sdk import wandb_setup

    return str(wandb_setup.singleton().settings.mode)
