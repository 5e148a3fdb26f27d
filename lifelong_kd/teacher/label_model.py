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


def accuracies(votes: Tensor, weights: Tensor, allowed: Tensor, *, steps: int = 100) -> Tensor:
    """How often each rule is right, from where rules agree, without a label: the one-coin Dawid-Skene model.

    A rule that votes says the true class with probability ``a_j`` and each other one with ``(1 - a_j) / (K - 1)``.
    Expectation maximisation: :func:`posterior` gives ``q``, and ``a_j = (3 + sum_i q_i[v_ij]) / (4 + n_j)`` over
    its n_j votes: the mean under a Beta(3, 1) prior, which decides where no other rule votes, since a rule alone
    agrees with itself at any accuracy. It begins with the weighted majority and ends when no accuracy moves by
    1e-6. A rule's whole confusion matrix, as in Dawid and Skene (1979), says nothing about a rule that only ever
    names one class, as most do; one accuracy a rule is the model of Zhang et al. (2014, arXiv 1406.3824) and, in
    weak supervision, of Ratner et al. (2016, arXiv 1605.07723).

    Args:
        votes: int64 (samples, rules), each for a class that the sample can be of.
        weights: what the first majority goes by.
        allowed: as in :func:`posterior`.
        steps: at most so many.

    Returns:
        Shape (rules,), in (0, 1); 0.75 for a rule that never votes.
    """
    some = (votes != ABSTAIN).any(dim=1)
    votes, weights = votes[some], weights[some] if weights.dim() > 1 else weights
    allowed = allowed[some]
    voted = votes != ABSTAIN
    share = majority(votes, weights, allowed.shape[1])
    right = torch.full((votes.shape[1],), PRIOR)
    for _ in range(steps):
        agreed = share.gather(1, votes.clamp(min=0)) * voted
        now = (STRENGTH * PRIOR + agreed.sum(dim=0)) / (STRENGTH + voted.sum(dim=0))
        moved = float((now - right).abs().max()) if len(now) else 0.0
        right, share = now, posterior(votes, now, allowed)
        if moved < 1e-6:
            break
    return right


def posterior(votes: Tensor, right: Tensor, allowed: Tensor) -> Tensor:
    """The probability of each class, given what rules of known accuracy say, all classes being alike beforehand.

    ``log p_c = const + sum_j [v_j = c] log(a_j (K - 1) / (1 - a_j))``: a vote with the rule's log-odds as weight, over
    the K classes that the sample can be of.

    Args:
        votes: int64 (samples, rules), each for a class that the sample can be of.
        right: the accuracy of each rule, in (0, 1), (rules,).
        allowed: which classes each sample can be of, bool (samples, classes).

    Returns:
        Shape (samples, classes); even where every rule abstains; 0 at the classes that a sample cannot be of.

    >>> posterior(torch.tensor([[0, 1]]), torch.tensor([0.9, 0.75]), torch.ones(1, 2, dtype=torch.bool))
    tensor([[0.7500, 0.2500]])
    """
    # Odds and probabilities are over the same K: odds of few classes among many make a vote count against its class.
    odds = (right * (allowed.sum(dim=1, keepdim=True) - 1).clamp(min=1) / (1 - right)).log()
    counted = (odds * (votes != ABSTAIN)).expand(votes.shape)
    sums = counted.new_zeros(allowed.shape).scatter_add_(1, votes.clamp(min=0), counted)
    # The softmax of a sample that can be of no class is NaN.
    return sums.masked_fill(~allowed, -torch.inf).softmax(dim=1).masked_fill(~allowed, 0.0)
