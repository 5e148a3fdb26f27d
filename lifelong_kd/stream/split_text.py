"""One's own texts as a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.registry import Component
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream import encoders
from lifelong_kd.stream.encode.base import Encoder
from lifelong_kd.stream.held_test import share_for_test
from lifelong_kd.stream.root import data_root, missing
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.text import as_bytes, longest
from lifelong_kd.stream.text_files import Fields, Row, read_texts

__all__ = ["split_text"]


def split_text(
    root: Path | None,
    seeds: Seeds,
    *,
    path: str = ".",
    text: str = "text",
    label: str = "label",
    domain: str | None = None,
    groups: str | None = None,
    features: Annotated[object, Component("encoder")] = "hashing",
    max_bytes: int = 512,
    test: float = 0.25,
) -> Source:
    """Texts with labels of one's own, from CSV, TSV, JSON or JSON Lines.

    A sample is the text itself, as UTF-8 bytes: a memory keeps texts, rules read them, and ``features`` makes of them
    what the model sees. Classes are numbered in the sorted order of the labels. Texts for validation are taken as
    they are if the data bring any.

    Args:
        path: below ``root``: a file; a ``.json`` file with the keys train, test and perhaps valid, each a list of pairs
            (text, label), as CLINC150 has; or a folder with a file for each of the three.
        text: the column or key of the text.
        label: the column or key of the label.
        domain: the column or key by which the domain scenario tells its tasks apart; null if there is none.
        groups: a JSON file below ``root``, ``{group: [labels]}``, for ``experiences: groups``; null for none.
        features: how texts become numbers.
        max_bytes: of a text; what is beyond is cut off.
        test: the share of each label that is the test set, where the data do not have one.
    """
    fields = Fields(text, label, domain)
    file = data_root(root) / path
    if not file.exists():
        remedy = "Set stream.root to the folder, and stream.path to the file or folder in it."
        raise missing(f"the texts {path!r}", data_root(root), remedy)
    read = read_texts(file, fields)
    splits = read if "all" not in read else _split(read["all"], test)
    names = sorted({row.label for row in splits["train"]})
    domains = sorted({row.domain for rows in splits.values() for row in rows if row.domain is not None})
    texts = [row.text for rows in splits.values() for row in rows]
    length = min(max_bytes, longest(texts))
    samples = {split: _samples(rows, names, domains, length) for split, rows in splits.items()}
    untested = sorted(set(names) - {row.label for row in splits["test"]})
    if untested:
        more = " ..." if len(untested) > 5 else ""
        raise BadCall(f"{file}: no text to test {', '.join(map(repr, untested[:5]))}{more} with")
    return Source(
        train=samples["train"],
        test=samples["test"],
        valid=samples.get("valid"),
        class_names=tuple(names),
        groups=None if groups is None else _groups(data_root(root) / groups, names),
        encoder=_encoder(features),
        kind="texts",
    )


def _encoder(features: Any) -> Encoder:
    encoder = encoders.get(features)() if isinstance(features, str) else features
    if not isinstance(encoder, Encoder):
        raise BadCall(f"stream.features must be an Encoder, found {type(encoder).__name__}")
    return encoder


def _split(rows: list[Row], share: float) -> dict[str, list[Row]]:
    names = sorted({row.label for row in rows})
    number = {name: index for index, name in enumerate(names)}
    domains = sorted({row.domain for row in rows if row.domain is not None})
    domain = torch.tensor([domains.index(str(row.domain)) for row in rows]) if domains else None
    y = torch.tensor([number[row.label] for row in rows])
    held = share_for_test(y, share, names, domain).tolist()
    return {
        "train": [row for row, out in zip(rows, held, strict=True) if not out],
        "test": [row for row, out in zip(rows, held, strict=True) if out],
    }


def _samples(rows: Sequence[Row], names: Sequence[str], domains: Sequence[str], length: int) -> Samples:
    number = {name: index for index, name in enumerate(names)}
    for row in rows:
        if row.label not in number:
            near = nearest(row.label, names)
            hint = f" Did you mean {near!r}?" if near else ""
            raise BadCall(f"{row.where}: no training text has the label {row.label!r}.{hint}")
    known = {name: index for index, name in enumerate(domains)}
    return Samples(
        store=TensorStore(as_bytes([row.text for row in rows], length)),
        y=torch.tensor([number[row.label] for row in rows]),
        domain=torch.tensor([known[str(row.domain)] for row in rows]) if domains else None,
        metadata=[row.more for row in rows],
    )


def _groups(path: Path, names: Sequence[str]) -> list[list[int]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BadCall(f"stream.groups: {path} cannot be read as JSON: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(labels, list) for labels in data.values()):
        raise BadCall(f"stream.groups: {path} must be a mapping of groups to lists of labels")
    number = {name: index for index, name in enumerate(names)}
    seen: dict[str, str] = {}
    for group, labels in data.items():
        if not labels:
            raise BadCall(f"stream.groups: {path}: the group {group!r} is empty")
        for label in map(str, labels):
            if label not in number:
                near = nearest(label, names)
                hint = f" Did you mean {near!r}?" if near else ""
                raise BadCall(f"stream.groups: {path}: {group!r} names {label!r}, which no text has.{hint}")
            if label in seen:
                raise BadCall(f"stream.groups: {path}: {label!r} is in {seen[label]!r} and in {group!r}")
            seen[label] = group
    lost = [name for name in names if name not in seen]
    if lost:
        raise BadCall(f"stream.groups: {path}: in no group: {', '.join(map(repr, lost[:5]))}")
    return [[number[str(label)] for label in labels] for labels in data.values()]
