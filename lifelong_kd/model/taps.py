"""Named feature taps: what chosen layers of a network gave in its last forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.model.freeze import unwrapped

__all__ = ["Taps", "penultimate", "tap_path"]


def tap_path(model: nn.Module, name: str) -> str:
    """The path of the module that ``name`` means: the path itself, or the shallowest path that ends in it.

    Raises:
        BadCall: if there is none, or several equally deep ones; it lists the paths that exist.

    >>> tap_path(nn.Sequential(nn.Sequential(nn.Linear(2, 2))), "0.0")
    '0.0'
    """
    paths: list[str] = [path for path, _ in model.named_modules() if path]
    if name in paths:
        return name
    matches = [path for path in paths if path.endswith(f".{name}")]
    depth = min((path.count(".") for path in matches), default=0)
    shallowest = [path for path in matches if path.count(".") == depth]
    if len(shallowest) == 1:
        return shallowest[0]
    if shallowest:
        raise BadCall(f"the tap {name!r} could mean any of {', '.join(shallowest)}. Give the whole path.")
    hint = nearest(name, [*paths, *(path.rpartition(".")[2] for path in paths)])
    suggestion = f" Did you mean {hint!r}?" if hint else ""
    raise BadCall(
        f"there is no module {name!r} in {type(model).__name__}.{suggestion} Paths: {', '.join(paths)}."
    )


class Taps:
    """Inside the ``with``, the outputs of the named modules are kept from each forward pass to the next.

    The values carry gradient where the forward pass did. A module that runs several times in one pass keeps its
    last output. A value is the layer's own tensor: a layer behind it that works in place changes it.

    Args:
        model: any network, also a frozen one. One that has run compiled tells its taps nothing (reading them is an
            error): tap and run the network inside.
        names: paths of modules as in ``named_modules``, or the ends of such paths (``"stage1"``).

    Raises:
        BadCall: for a name that is no module; reading before a forward pass; a module whose output is no tensor.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with Taps(model, ["0"]) as taps:
    ...     _ = model(torch.ones(5, 2))
    ...     taps["0"].shape
    torch.Size([5, 3])
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.model = model
        self.paths = {name: tap_path(model, name) for name in names}
        self._values: dict[str, Any] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, path in self.paths.items():
            self._handles.append(self.model.get_submodule(path).register_forward_hook(self._keep(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._values.clear()

    def _keep(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        values = self._values

        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            values[name] = output

        return hook

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.paths:
            raise BadCall(f"there is no tap {name!r}; the taps are {', '.join(self.paths)}.")
        if name not in self._values:
            raise BadCall(
                f"the tap {name!r} is empty: nothing passed {self.paths[name]!r} inside the 'with', or the network ran"
                " compiled; run it uncompiled to tap it."
            )
        value = self._values[name]
        if not isinstance(value, Tensor):
            raise BadCall(
                f"the tap {name!r} is no tensor but a {type(value).__name__}; tap a layer inside {self.paths[name]!r}."
            )
        return value

    def values(self) -> dict[str, Tensor]:
        """All taps by name."""
        return {name: self[name] for name in self.paths}


def penultimate(model: nn.Module, x: Tensor, *args: Any) -> Tensor:
    """Features (B, D) of any network: its method ``features``, else the input of the last linear layer to run.

    Args:
        model: the network; a compiled one runs uncompiled here.
        x: inputs (B, *input_shape).
        args: what else its forward pass takes, such as task labels.

    Raises:
        BadCall: if the network has no such method and no ``torch.nn.Linear`` ran.
    """
    model = unwrapped(model)
    features = getattr(model, "features", None)
    # torchvision's VGG and DenseNet have a *module* of this name, which gives maps.
    if callable(features) and not isinstance(features, nn.Module):
        found: Tensor = features(x, *args)
        return found
    last: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        last[:] = inputs[:1]

    handles = [
        module.register_forward_pre_hook(keep) for module in model.modules() if isinstance(module, nn.Linear)
    ]
    try:
        model(x, *args)
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        raise BadCall(
            f"{type(model).__name__} has no method 'features', and no torch.nn.Linear ran in it whose input could be"
            " taken for features. Give it a method features(x)."
        )
    return last[0]
