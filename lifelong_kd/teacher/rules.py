"""A teacher made of rules that a person wrote."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.knowledge.options import chosen
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.fitting import check_fit, shown
from lifelong_kd.teacher.label_model import ABSTAIN, PRIOR, accuracies, majority, posterior
from lifelong_kd.teacher.labeller import Classes, Labeller, smoothed, unknown_label
from lifelong_kd.teacher.rule import Rule, from_mapping, named
from lifelong_kd.teacher.written import read_written

__all__ = ["Rules"]

Votes = tuple[list[int], list[float]]
"""What each rule says of a sample: columns, or ABSTAIN, and the weights of the votes."""

REMEMBERED = 20_000
"""Samples whose votes are remembered: a rule says the same of the same sample."""


class Rules(Labeller):
    """Labelling functions, patterns and thresholds, their conflicts resolved into soft labels (weak supervision).

    Each rule names a class or abstains. ``vote``: ``p_c = (1 - s) sum_j w_j [v_j = c] / sum_j w_j + s / K``, the
    weighted share of the rules that say something, smoothed by s over the K classes that the sample can be of.
    ``dawid_skene``: ``p_c ~ exp(sum_j [v_j = c] log(a_j (K - 1) / (1 - a_j)))`` with accuracies a_j estimated from
    where rules agree on the task's training samples, without looking at a label (data programming, Ratner et al. 2016,
    arXiv 1605.07723); the given weights are where the estimate begins. A sample of which no rule says anything, or only
    classes that it cannot be of, is not taught.

    Rules see raw samples: a text, or a tensor in [0, 1]. They need no label, so that they can teach on unlabelled data
    as well. Those that look at metadata know the samples of the task alone, on the source ``new``.

    Args:
        file: a YAML or JSON file with a list of rules, relative to the working directory.
        rules: rules, each a mapping: ``{pattern: REGEX, label: CLASS}`` for texts, found anywhere, upper and lower case
            alike; ``{field: NAME, above: A, below: B, label: CLASS}`` for a number in the metadata; ``{statistic: NAME,
            above: A, below: B, label: CLASS}`` for ``length`` or ``words`` of a text, or ``mean``, ``std``, ``min`` or
            ``max`` of a tensor. One threshold is enough; ``weight`` (1) and ``name`` may be added.
        functions: names of Python functions, registered with ``lifelong_kd.teacher.rule.rule`` in a file under
            ``imports``.
        combine: ``vote``, or ``dawid_skene``.
        smoothing: s, share of a label that is spread over all classes the sample can be of, in [0, 1).
        classes: which classes a sample can be of: all that have been ``seen``, or the ``new`` ones of the task.

    Raises:
        BadCall: for no rule, one that is not understood, a label that is no class of the stream, or a rule that looks
            at what its samples are not or do not have.
        DataMissing: if the file is not there.
        RunFailed: if a rule raises or names what is no class; the run can be resumed when it is mended.

    Example:
        strategy:
          name: compose
          teachers:
            clerk: {name: rules, rules: [{statistic: mean, above: 0.35, label: "8"}]}
          terms:
            clerk: {teacher: clerk, knowledge: {name: kd, temperature: 1.0}, over: seen, weight: 0.5}
    """

    def __init__(
        self,
        *,
        file: str | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
        functions: Sequence[str] = (),
        combine: Literal["vote", "dawid_skene"] = "vote",
        smoothing: float = 0.1,
        classes: Classes = "seen",
    ) -> None:
        super().__init__(classes)
        if not 0 <= smoothing < 1:
            raise BadCall(f"smoothing must lie in [0, 1), got {smoothing}")
        self.file = file
        self.functions = tuple(functions)
        self.combine = chosen("combine", combine, ("vote", "dawid_skene"))
        self.smoothing = smoothing
        self.rules: list[Rule] = []
        if file is not None:
            found = read_written(file, "rules")
            if not isinstance(found, list):
                raise BadCall(f"{file} holds {type(found).__name__}, not a list of rules")
            self.rules += [from_mapping(one, f"{file}: rule {k}") for k, one in enumerate(found, 1)]
        self.rules += [from_mapping(one, f"rule {k}") for k, one in enumerate(rules, 1)]
        self.rules += [named(name) for name in functions]
        names = [rule.name for rule in self.rules]
        if not names:
            raise BadCall("the teacher 'rules' has no rule: give file, rules or functions")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadCall(f"two rules are called {twice[0]!r}")
        self._right: dict[str, float] = {}
        self._data: TaskData | None = None
        self._votes: dict[bytes, Votes] = {}

    def check_labels(self, names: Sequence[str]) -> None:
        for rule in self.rules:
            for label in rule.labels:
                if self.column(label) is None:
                    raise BadCall(f"{rule.name}: the label {unknown_label(label, names)}")

    def begin_task(self, task: Task) -> None:
        super().begin_task(task)
        self._data = None

    def study(self, task: Task, data: TaskData, seeds: Seeds) -> None:
        self._data = data
        check_fit(self.rules, task, data, self.column)
        if self.combine == "vote":
            return
        parts = [self._say(data.raw(index), index) for index in torch.arange(len(data.targets)).split(1000)]
        votes, weights = (torch.cat(pieces) for pieces in zip(*parts, strict=True))
        allowed = self.allowed(data.labels)
        votes = self._placed(votes, allowed)
        found = accuracies(votes, weights, allowed)
        said = (votes != ABSTAIN).any(dim=0)
        # One that says nothing in this task keeps what is known of it from earlier ones.
        self._right |= {
            rule.name: float(right) for rule, right, some in zip(self.rules, found, said, strict=True) if some
        }

    def label(self, batch: Batch) -> tuple[Tensor, Tensor]:
        votes, weights = self._say(batch.raw, batch.index if batch.row is None else batch.row)
        allowed = self.allowed(batch.label)
        votes = self._placed(votes, allowed)
        if self.combine == "vote":
            share = majority(votes, weights, len(self.competing))
        else:
            right = torch.tensor([self._right.get(rule.name, PRIOR) for rule in self.rules])
            share = posterior(votes, right, allowed)
        return smoothed(share, allowed, self.smoothing), (votes != ABSTAIN).any(dim=1)

    def _placed(self, votes: Tensor, allowed: Tensor) -> Tensor:
        """Votes as places among the competing classes; those for classes that a sample cannot be of are left out."""
        places = torch.full((max([*self.competing, int(votes.max()) if votes.numel() else 0]) + 2,), ABSTAIN)
        places[list(self.competing)] = torch.arange(len(self.competing))
        # The last entry is that of an abstention.
        votes = places[votes]
        return votes.masked_fill(~allowed.gather(1, votes.clamp(min=0)), ABSTAIN)

    def _say(self, raw: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
        """Votes, as columns, and their weights, each (samples, rules); ``rows`` of the task's own data, or -1."""
        about: Sequence[Mapping[str, Any] | None] = [None] * len(raw)
        if rows is not None and self._data is not None and any(one.look == "metadata" for one in self.rules):
            mine = rows.cpu() >= 0
            found = iter(self._data.about(rows.cpu()[mine]))
            about = [next(found) if own else None for own in mine.tolist()]
        samples = raw.cpu()
        keys = [hashlib.blake2b(row.numpy().tobytes(), digest_size=16).digest() for row in samples]
        known = [self._votes.get(key) for key in keys]
        new = [place for place, votes in enumerate(known) if votes is None]
        fresh = {
            place: self._asked(sample, "sample")
            for place, sample in zip(new, shown(samples[new]), strict=True)
        }
        for place in new[: max(REMEMBERED - len(self._votes), 0)]:
            self._votes[keys[place]] = fresh[place]
        votes, weights = [], []
        for place, said in enumerate(about):
            columns, weight = known[place] or fresh[place]
            if said is not None:
                more, its = self._asked(said, "metadata")
                columns = [b if a == ABSTAIN else a for a, b in zip(columns, more, strict=True)]
                weight = [a + b for a, b in zip(weight, its, strict=True)]
            votes.append(columns)
            weights.append(weight)
        shape = (len(votes), len(self.rules))
        return torch.tensor(votes).reshape(shape), torch.tensor(weights).reshape(shape)

    def _asked(self, sample: Any, look: str) -> Votes:
        found = [self._vote(rule, sample) if rule.look == look else (ABSTAIN, 0.0) for rule in self.rules]
        return [column for column, _ in found], [weight for _, weight in found]

    def _vote(self, rule: Rule, sample: Any) -> tuple[int, float]:
        try:
            said = rule.says(sample)
        except Exception as error:
            raise RunFailed(
                f"the rule {rule.name!r} raised {type(error).__name__}: {error}; at {_described(sample)}."
                " Mend it and resume the run: what was learned is kept"
            ) from error
        if said is None:
            return ABSTAIN, 0.0
        label, weight = said if isinstance(said, tuple) and len(said) == 2 else (said, 1.0)
        column = self.column(str(label))
        if column is None or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            why = "but a weight is a number above 0."
            if column is None:
                why = f"but {unknown_label(str(label), self.names)}"
            raise RunFailed(
                f"the rule {rule.name!r} said {said!r}, {why} At {_described(sample)}."
                " Mend it and resume the run: what was learned is kept"
            )
        return column, rule.weight * float(weight)

    def state_dict(self) -> dict[str, Any]:
        return {"right": dict(self._right)}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        self._right = dict(state["right"])


def _described(sample: Any) -> str:
    if isinstance(sample, Tensor):
        return f"a sample of shape {tuple(sample.shape)} with mean {float(sample.float().mean()):.3g}"
    text = repr(dict(sample) if isinstance(sample, Mapping) else sample)
    return text if len(text) <= 200 else text[:200] + "..."
