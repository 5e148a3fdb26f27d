"""From the votes of several rules to one soft label a sample: weighted majority, or a generative model of the rules."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ABSTAIN", "PRIOR", "accuracies", "majority", "posterior"]

ABSTAIN = -1
"""The vote of a rule that says nothing about a sample."""

PRIOR = 0.75
"""How often a rule is thought to be right before others agree or disagree with it: nobody writes a coin."""

STRENGTH = 4
"""Votes that the prior is worth."""


def majority(votes: Tensor, weights: Tensor, classes: int) -> Tensor:
    """The weighted share of the votes that each class has.

    ``p_c = sum_j w_j [v_j = c] / sum_j w_j [v_j != abstain]``.

    Args:
        votes: the class that each rule says, or ``ABSTAIN``, int64 (samples, rules).
        weights: of each vote, at least 0, (samples, rules) or (rules,).
        classes: their number.

    Returns:
        Shape (samples, classes); a row of zeros where every rule abstains.

    >>> majority(torch.tensor([[0, 1, 1, -1]]), torch.tensor([2.0, 1.0, 1.0, 5.0]), 3)
    tensor([[0.5000, 0.5000, 0.0000]])
    """
    votes, counted = torch.broadcast_tensors(votes, weights.to(torch.get_default_dtype()))
    counted = counted * (votes != ABSTAIN)
    sums = counted.new_zeros(len(votes), classes).scatter_add_(1, votes.clamp(min=0), counted)
    total = sums.sum(dim=1, keepdim=True)
    return torch.where(total > 0, sums / total.clamp(min=torch.finfo(sums.dtype).tiny), 0.0)


def accuracies(
    votes: Tensor, weights: Tensor, classes: int, *, among: Tensor | None = None, steps: int = 100
) -> Tensor:
    """How often each rule is right, from where rules agree, without a label: the one-coin Dawid-Skene model.

    A rule that votes says the true class with probability ``a_j`` and each other one with ``(1 - a_j) / (K - 1)``.
    Expectation maximisation: :func:`posterior` gives ``q``, and ``a_j = (3 + sum_i q_i[v_ij]) / (4 + n_j)`` over
    its n_j votes: the mean under a Beta(3, 1) prior, which decides where no other rule votes, since a rule alone
    agrees with itself at any accuracy. It begins with the weighted majority and ends when no accuracy moves by
    1e-6. A rule's whole confusion matrix, as in Dawid and Skene (1979), says nothing about a rule that only ever
    names one class, as most do; one accuracy a rule is the model of Zhang et al. (2014, arXiv 1406.3824) and, in
    weak supervision, of Ratner et al. (2016, arXiv 1605.07723).

    Args:
        votes: int64 (samples, rules).
        weights: what the first majority goes by.
        classes: their number.
        among: as in :func:`posterior`.
        steps: at most so many.

    Returns:
        Shape (rules,), in (0, 1); 0.75 for a rule that never votes.
    """
    some = (votes != ABSTAIN).any(dim=1)
    votes, weights = votes[some], weights[some] if weights.dim() > 1 else weights
    among = among[some] if among is not None else None
    voted = votes != ABSTAIN
    share = majority(votes, weights, classes)
    right = torch.full((votes.shape[1],), PRIOR)
    for _ in range(steps):
        agreed = share.gather(1, votes.clamp(min=0)) * voted
        now = (STRENGTH * PRIOR + agreed.sum(dim=0)) / (STRENGTH + voted.sum(dim=0))
        moved = float((now - right).abs().max()) if len(now) else 0.0
        right, share = now, posterior(votes, now, classes, among)
        if moved < 1e-6:
            break
    return right


def posterior(votes: Tensor, right: Tensor, classes: int, among: Tensor | None = None) -> Tensor:
    """The probability of each class, given what rules of known accuracy say, all classes being alike beforehand.

    ``log p_c = const + sum_j [v_j = c] log(a_j (K - 1) / (1 - a_j))``: a vote with the rule's log-odds as weight.

    Args:
        votes: int64 (samples, rules).
        right: the accuracy of each rule, in (0, 1), (rules,).
        classes: their number.
        among: how many of them each sample can be of, K, at least 1, (samples,); all if ``None``.

    Returns:
        Shape (samples, classes); even where every rule abstains.

    >>> posterior(torch.tensor([[0, 1]]), torch.tensor([0.9, 0.75]), 2)
    tensor([[0.7500, 0.2500]])
    """
    possible = torch.tensor([classes]) if among is None else among
    odds = (right * (possible[:, None] - 1).clamp(min=1) / (1 - right)).log()
    counted = (odds * (votes != ABSTAIN)).expand(votes.shape)
    sums = counted.new_zeros(len(votes), classes).scatter_add_(1, votes.clamp(min=0), counted)
    return sums.softmax(dim=1)
