"""``model.init``: the model whose backbone the student begins with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lifelong_kd.core.errors import BadCall

if TYPE_CHECKING:
    from lifelong_kd.model.network import Network

__all__ = ["begin_from", "check_start"]


def check_start(reference: str | None, resume: Path | None) -> None:
    """Refuse what can name no model before anything is built, without the network.

    Raises:
        BadCall: beginning with the key.
    """
    if reference is not None:
        from lifelong_kd.model.origin import check_reference

        with _unless_begun(resume):
            check_reference(reference)


def begin_from(network: Network, reference: str | None, resume: Path | None) -> None:
    """Let the student begin with the backbone of another model, and with a head of its own.

    Raises:
        BadCall: beginning with the key.
    """
    if reference is not None:
        from lifelong_kd.model.origin import resolve_model
        from lifelong_kd.model.start import start_from

        with _unless_begun(resume):
            start_from(network, resolve_model(reference))


@contextmanager
def _unless_begun(resume: Path | None) -> Iterator[None]:
    """A refusal names the key; a run that has a checkpoint has its weights in that, and is not refused."""
    try:
        yield
    except BadCall as error:
        if resume is None or not (resume / "checkpoints" / "latest.json").is_file():
            raise type(error)(f"model.init: {error}") from error
