"""What an exported network takes and gives, out of the header of its file; reading it does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["corrections", "describe", "seen", "words"]

MOST = 12
"""Names of classes that are listed; the file has them all."""


def describe(metadata: Mapping[str, Any], width: int) -> dict[str, Any]:
    """What an exported network takes and gives, as plain data that goes with its file.

    ``input_shape`` and ``dtype`` of a sample; ``takes`` in words; ``mean`` and ``std`` of the normalisation that is
    part of it; ``columns``, the classes of its logits; ``heads``, the columns of each task label if it has several
    heads; ``corrected_by``, what the run applied to the logits before it predicted, which is not part of it.

    Args:
        metadata: the header of the saved model.
        width: the number of its logits.
    """
    shape, config = metadata["network"], metadata.get("config", {})
    view = shape.get("view")
    heads: dict[str, list[int]] = {}
    if config.get("model", {}).get("head", {}).get("name") == "multihead":
        for classes, label in shape["tasks"]:
            of_label = heads.setdefault(str(label), [])
            of_label.extend(column for column in classes if column not in of_label)
    return {
        "input_shape": list(shape["input_shape"]),
        "dtype": str(view["dtype"]) if view else "float32",
        "takes": _takes(view, str(config.get("stream", {}).get("name"))),
        "mean": view["mean"] if view else None,
        "std": view["std"] if view else None,
        "columns": [str(name) for name in shape.get("columns") or range(width)][:width],
        "heads": heads,
        "corrected_by": list(shape.get("corrected_by", [])),
        "task": metadata["task"],
        "digest": metadata["digest"],
    }


def _takes(view: Mapping[str, Any] | None, stream: str, *, inside: bool = True) -> str:
    """What a sample is; ``inside`` if its normalisation is part of what is exported."""
    if view is None:
        return (
            "samples as the run's network saw them: their normalisation is not known here and not part of it"
        )
    itself = ", which it normalises itself" if inside and view["mean"] is not None else ""
    if view["pixels"]:
        return f"pixels in [0, 1]{itself}{_after(view)}"
    before = " before normalisation" if itself else ""
    return (
        f"samples as the stream {stream!r} gives them to its network{before}, text and sound encoded{itself}"
    )


def _after(view: Mapping[str, Any]) -> str:
    """The fixed views that stand before the network; a file from before they were kept says nothing of them."""
    steps = ["the view of its task"] if view.get("by_task") else []
    steps += [f"the evaluation view of {name}" for name in view.get("still", [])]
    return f"; they come after {' and '.join(steps)}, not part of it" if steps else ""


def seen(metadata: Mapping[str, Any]) -> list[str]:
    """What the network in a file of weights takes, in lines for a person; none for a network that Avalanche built.

    Args:
        metadata: the header of the file.
    """
    if metadata.get("network") is None:
        return []
    about, view = describe(metadata, 0), metadata["network"].get("view")
    stream = str(metadata.get("config", {}).get("stream", {}).get("name"))
    line = _sample({**about, "takes": _takes(view, stream, inside=False)})
    if about["mean"] is not None:
        mean, std = (f"[{', '.join(f'{value:.6g}' for value in about[name])}]" for name in ("mean", "std"))
        line += f"; then normalised, (x - mean) / std with mean {mean} and std {std}, which --format program has inside"
    return [line, *corrections(about)]


def _sample(about: Mapping[str, Any]) -> str:
    shape = ", ".join(map(str, about["input_shape"]))
    return f"takes x, {about['dtype']} (batch, {shape}): {about['takes']}"


def words(about: Mapping[str, Any]) -> list[str]:
    """:func:`describe` in lines for a person."""
    columns = about["columns"]
    names = ", ".join(columns[:MOST]) + (f" and {len(columns) - MOST} more" if len(columns) > MOST else "")
    lines = [
        _sample(about),
        f"gives logits, float32 (batch, {len(columns)}), the columns being the classes {names}",
    ]
    if about["heads"]:
        labels = "; ".join(f"{label}: {columns}" for label, columns in about["heads"].items())
        lines.append(
            f"of several heads, side by side: only the columns of a sample's own task label ({labels})"
        )
    return [*lines, *corrections(about)]


def corrections(about: Mapping[str, Any]) -> list[str]:
    """What the run did to the logits before it predicted, in a line for a person; none if nothing.

    Args:
        about: what :func:`describe` gives, or the part ``network`` of a header.
    """
    if not about.get("corrected_by"):
        return []
    return [
        f"the run predicted after {', '.join(about['corrected_by'])}, which is not part of the exported network:"
        " its largest logit need not be what the run predicted"
    ]
