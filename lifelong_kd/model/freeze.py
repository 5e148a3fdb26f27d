"""Frozen copies of a network, and a digest that tells whether two networks are the same."""

from __future__ import annotations

import copy
import functools
import hashlib
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall

__all__ = ["digest", "frozen_copy", "unwrapped"]

# Each dictionary of hooks, and those that hold something about the same hooks.
HOOKS: dict[str, tuple[str, ...]] = {
    "_forward_hooks": ("_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    "_forward_pre_hooks": ("_forward_pre_hooks_with_kwargs",),
    "_backward_hooks": (),
    "_backward_pre_hooks": (),
}


class Frozen:
    """Mixed into the class of a frozen copy: it stays in evaluation mode, whoever asks for training."""

    def train(self, mode: bool = True) -> Self:
        return self


@functools.cache
def _frozen_class(kind: Any) -> type[nn.Module]:
    # A subclass rather than a wrapper: isinstance, attributes and state_dict keys stay those of the network.
    if issubclass(kind, Frozen):
        return cast(type[nn.Module], kind)
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return cast(
        type[nn.Module], types.new_class(kind.__name__, (Frozen, kind), {}, lambda body: body.update(named))
    )


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside ``torch.compile``'s wrapper, or the network itself."""
    return cast(nn.Module, getattr(model, "_orig_mod", model))


def frozen_copy(model: nn.Module) -> nn.Module:
    """A deep copy that no training can change: evaluation mode for good, no parameter asks for a gradient.

    Hooks that others put on the network (taps, loggers) are not copied, since they would report the copy's
    activations as the network's own. Hooks that the network put on itself, bound to one of its modules, are bound to
    the copy's module instead. Activations with a gradient history that a module keeps as attributes are copied
    without it. The network itself is left as it is; a compiled one is copied uncompiled.

    Raises:
        BadCall: if the network cannot be copied.

    >>> teacher = frozen_copy(nn.Dropout(0.5))
    >>> teacher.train().training
    False
    """
    model = unwrapped(model)
    modules = list(model.modules())
    memo: dict[int, Any] = {}
    for module in modules:
        for kind, companions in HOOKS.items():
            for name in (kind, *companions):
                memo[id(getattr(module, name))] = OrderedDict()
        memo.update((id(tensor), tensor.detach().clone()) for tensor in _activations(module.__dict__, set()))
    try:
        frozen = copy.deepcopy(model, memo)
    except (RuntimeError, TypeError) as error:
        raise BadCall(f"{type(model).__name__} cannot be copied to become a teacher: {error}") from error
    twins = {id(module): memo[id(module)] for module in modules}
    for module in modules:
        _keep_own_hooks(module, twins, memo)
    frozen.eval().requires_grad_(False)
    original: Any = type(frozen)
    frozen.__class__ = _frozen_class(original)
    return frozen


def _activations(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """Tensors with a gradient history in nested containers; modules are looked into by themselves."""
    if isinstance(value, Tensor):
        if value.grad_fn is not None:
            yield value
    elif isinstance(value, Mapping | list | tuple | set) and id(value) not in seen:
        seen.add(id(value))
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _activations(item, seen)


def _keep_own_hooks(module: nn.Module, twins: Mapping[int, nn.Module], memo: dict[int, Any]) -> None:
    twin = twins[id(module)]
    for kind, companions in HOOKS.items():
        for key, hook in getattr(module, kind).items():
            own = _own_hook(hook, twins, memo)
            if own is not None:
                for name, value in [(kind, own), *((c, getattr(module, c).get(key)) for c in companions)]:
                    if value is not None:
                        getattr(twin, name)[key] = value


def _own_hook(
    hook: Callable[..., Any], twins: Mapping[int, nn.Module], memo: dict[int, Any]
) -> Callable[..., Any] | None:
    """The hook bound to the copy if it belongs to the network itself, otherwise ``None``."""
    if isinstance(hook, types.MethodType):
        owner = twins.get(id(hook.__self__))
        return None if owner is None else types.MethodType(hook.__func__, owner)
    if isinstance(hook, types.FunctionType):
        cells = hook.__closure__ or ()
        if not any(id(cell.cell_contents) in twins for cell in cells):
            return None
        closure = tuple(
            types.CellType(twins.get(id(cell.cell_contents), cell.cell_contents)) for cell in cells
        )
        return types.FunctionType(hook.__code__, hook.__globals__, hook.__name__, hook.__defaults__, closure)
    # weight_norm and spectral_norm compute a layer's weight in a hook object that holds no module.
    if type(hook).__module__.startswith("torch.nn.utils"):
        return copy.deepcopy(hook, memo)
    return None


def digest(model: nn.Module) -> str:
    """SHA-256 (hexadecimal) over name, dtype, shape and bytes of every parameter and buffer, in order of name.

    Equal on every device; the same for a compiled network and for the one inside.

    >>> digest(nn.ReLU())
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    model = unwrapped(model)
    sha = hashlib.sha256()
    for name, tensor in sorted([*model.named_parameters(), *model.named_buffers()], key=lambda item: item[0]):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        sha.update(flat.view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
