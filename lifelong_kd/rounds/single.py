"""One round a task: trained as configured."""

from __future__ import annotations

from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View

__all__ = ["Single"]


class Single(Controller):
    """Each task is trained once, with the configured settings; nothing is measured for it."""

    looks = frozenset()

    def first(self, view: View) -> Proposal:
        return Proposal(why="as configured")

    def judge(self, view: View) -> Verdict:
        return Verdict(keep=True, why="the only round")
