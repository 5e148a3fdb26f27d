"""A student that begins with the backbone of another model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.network import Network
from lifelong_kd.model.origin import Origin

__all__ = ["start_from"]

BACKBONE = "backbone."
SHOWN = 5


def start_from(network: Network, origin: Origin) -> None:
    """Give ``network`` the parameters and buffers of the backbone in ``origin``, and note where they are from.

    The head stays as it was drawn: its columns stand for the classes of another stream, or of an earlier one.

    Raises:
        BadCall: if the file cannot be read, or its backbone is not that of ``network``, with what does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(origin.path)
    except (OSError, SafetensorError) as error:
        raise BadCall(f"{origin.path} is damaged: {' '.join(str(error).split())[:300]}") from error
    stored = {
        name.removeprefix(BACKBONE): value for name, value in weights.items() if name.startswith(BACKBONE)
    }
    wrong = _misfits(network.backbone.state_dict(), stored)
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise BadCall(
            f"the student cannot start from {origin.name}, whose backbone is another:"
            f" {'; '.join(wrong[:SHOWN])}{more}. Give the model that it was trained with"
        )
    network.backbone.load_state_dict(stored)
    network.origin = origin.parent


def _misfits(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """What does not agree in name and shape, in words."""
    wrong = [f"it has no {name}" for name in ours if name not in theirs]
    wrong += [f"the student has no {name}" for name in theirs if name not in ours]
    return wrong + [
        f"{name} is {tuple(theirs[name].shape)} there and {tuple(value.shape)} here"
        for name, value in ours.items()
        if name in theirs and theirs[name].shape != value.shape
    ]
