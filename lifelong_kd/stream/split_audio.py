"""One's own recordings as a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.held_test import share_for_test
from lifelong_kd.stream.root import data_root, missing
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.wav import LogMel, spectrograms
from lifelong_kd.stream.wav_names import named, pattern_of

__all__ = ["split_audio"]

Recording = tuple[Path, Mapping[str, str]]


def split_audio(
    root: Path | None,
    seeds: Seeds,
    *,
    path: str = ".",
    pattern: str = "{label}/{name}.wav",
    test: float | dict[str, list[int | str]] = 0.25,
    domain: str | None = None,
    rate: int = 8000,
    seconds: float = 1.0,
    mels: int = 40,
    window: int = 256,
    hop: int = 128,
) -> Source:
    """Recordings of one's own, WAV files, as log-mel spectrograms.

    Recordings with several channels are averaged, those with another rate resampled, shorter ones filled with silence
    and longer ones cut. A spectrogram is in decibels, so that ``normalize: auto`` does good. Classes are numbered in
    the sorted order of the labels. Needs ``pip install 'lifelong_kd[audio]'``.

    Args:
        path: folder below ``root``; if it has the folders train and test, ``pattern`` is of what is inside these, and
            a folder valid beside them is the validation set.
        pattern: what paths below the folder look like: ``{label}`` is the class, any other field metadata, such as
            ``{label}_{speaker}_{index}.wav``.
        test: where there is no folder test, which recordings are the test set: the share of each label, or values of a
            field, such as ``{index: [0, 1, 2, 3, 4]}``.
        domain: the field by which the domain scenario tells its tasks apart, such as ``speaker``; null for none.
        rate: samples a second.
        seconds: length of each recording.
        mels: bands of frequency.
        window: samples of a short-time Fourier transform.
        hop: samples from one to the next.
    """
    how = LogMel(rate, seconds, mels, window, hop)
    pattern_of(pattern)
    if domain is not None:
        _check_field("domain", domain, pattern)
    folder = data_root(root) / path
    if not folder.is_dir():
        remedy = "Set stream.root to the folder, and stream.path to the one with the recordings in it."
        raise missing(f"the recordings {path!r}", data_root(root), remedy)
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        there = [split for split in ("train", "test", "valid") if (folder / split).is_dir()]
        splits = {split: named(folder / split, pattern) for split in there}
    else:
        splits = _split(named(folder, pattern), pattern, test, domain)
    names = sorted({about["label"] for _, about in splits["train"]})
    tested = sorted({about["label"] for _, about in splits["test"]})
    _check_valid(folder, names, splits.get("valid", []))
    if names != tested:
        only = [f"{name!r} (only to train)" for name in names if name not in tested]
        only += [f"{name!r} (only to test)" for name in tested if name not in names]
        raise BadCall(f"{folder}: training and test recordings have other labels: {', '.join(only)}")
    domains = None if domain is None else _domains(splits, domain)
    samples = {split: _samples(found, names, domain, domains, how) for split, found in splits.items()}
    return Source(
        samples["train"], samples["test"], tuple(names), valid=samples.get("valid"), kind="recordings"
    )


def _split(
    found: list[Recording], pattern: str, test: float | dict[str, list[int | str]], domain: str | None
) -> dict[str, list[Recording]]:
    if isinstance(test, Mapping):
        if len(test) != 1:
            raise BadCall(f"stream.test names one field with its values, found {dict(test)}")
        field, values = next(iter(test.items()))
        _check_field("test", field, pattern)
        wanted = {str(value) for value in values}
        known = {about[field] for _, about in found}
        for value in sorted(wanted - known):
            near = nearest(value, known)
            hint = f" Did you mean {near!r}?" if near else ""
            raise BadCall(f"stream.test: no recording has the {field} {value!r}.{hint}")
        held = [about[field] in wanted for _, about in found]
        if not any(held) or all(held):
            raise BadCall(
                f"stream.test: {'every' if all(held) else 'no'} recording has a {field} in {sorted(wanted)}"
            )
    else:
        names = sorted({about["label"] for _, about in found})
        number = {name: index for index, name in enumerate(names)}
        y = torch.tensor([number[about["label"]] for _, about in found])
        domains = None
        if domain is not None:
            told = sorted({about[domain] for _, about in found})
            domains = torch.tensor([told.index(about[domain]) for _, about in found])
        held = share_for_test(y, test, names, domains).tolist()
    return {
        "train": [one for one, out in zip(found, held, strict=True) if not out],
        "test": [one for one, out in zip(found, held, strict=True) if out],
    }


def _check_valid(folder: Path, names: Sequence[str], valid: Sequence[Recording]) -> None:
    unknown = sorted({about["label"] for _, about in valid} - set(names))
    if unknown:
        raise BadCall(f"{folder / 'valid'}: no training recording has the label {unknown[0]!r}")


def _check_field(option: str, field: str, pattern: str) -> None:
    fields = list(pattern_of(pattern).groupindex)
    if field not in fields:
        near = nearest(field, fields)
        hint = f" Did you mean {near!r}?" if near else ""
        raise BadCall(
            f"stream.{option}: stream.pattern has no field {field!r} but {', '.join(fields)}.{hint}"
        )


def _domains(splits: Mapping[str, Sequence[Recording]], field: str) -> dict[str, int]:
    values = sorted({about[field] for found in splits.values() for _, about in found})
    return {value: number for number, value in enumerate(values)}


def _samples(
    found: Sequence[Recording],
    names: Sequence[str],
    field: str | None,
    domains: Mapping[str, int] | None,
    how: LogMel,
) -> Samples:
    number = {name: index for index, name in enumerate(names)}
    domain = None
    if field is not None and domains is not None:
        domain = torch.tensor([domains[about[field]] for _, about in found])
    return Samples(
        store=TensorStore(spectrograms([path for path, _ in found], how)),
        y=torch.tensor([number[about["label"]] for _, about in found]),
        domain=domain,
        metadata=[{name: value for name, value in about.items() if name != "label"} for _, about in found],
    )
