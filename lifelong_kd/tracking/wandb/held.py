"""What a run that goes on need not log again: what W&B has, or will have once every part of the run is uploaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lifelong_kd.tracking.wandb.history import Part

__all__ = ["Held"]


@dataclass(frozen=True)
class Held:
    """Numbers of the calls of ``log``, (key, task) of pictures and tables, (name, digest) of artifacts."""

    lines: frozenset[int] = frozenset()
    media: frozenset[tuple[str, int]] = frozenset()
    artifacts: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def offline(cls, parts: Iterable[Part]) -> Held:
        """What the parts on disk have together.

        Of an online part the server may lack the last seconds. Nobody can ask it now: they are taken as there, and the
        next start that goes online fills the gap.
        """
        parts = list(parts)
        return cls(
            frozenset(line for part in parts for line in part.lines),
            frozenset((key, task) for part in parts for key, task, _ in part.media),
            frozenset(artifact for part in parts for artifact in part.artifacts),
        )

    @classmethod
    def online(cls, parts: Iterable[Part], server: int, rows: int) -> Held:
        """What the server has, and what is still to be uploaded to it.

        The server goes first for what was logged online: of a part that was killed it may lack up to 15 s. A picture
        is there if a later line is. Artifacts are logged again: the server knows one by its digest.

        Args:
            parts: the parts on disk.
            server: the last line that the server has.
            rows: how many rows it has.
        """
        parts = list(parts)
        waiting = cls.offline(part for part in parts if part.offline and not part.uploaded)
        there = {(key, task) for part in parts for key, task, line in part.media if line < server}
        return cls(waiting.lines | _arrived(parts, server, rows), waiting.media | there, waiting.artifacts)


def _arrived(parts: list[Part], server: int, rows: int) -> set[int]:
    """The lines that the server has, by how many rows of each part can have reached it."""
    online = [part for part in parts if not part.offline and part.rows]
    synced = [part for part in parts if part.offline and part.uploaded]
    # The server had the rows before a part when that part began; what was uploaded later stands behind the online ones.
    ends = [*(part.first for part in online[1:]), rows - sum(part.rows for part in synced)]
    lines = {line for part in synced for line in part.lines}
    for part, end in zip(online, ends if online else (), strict=True):
        lines |= {line for line, step in part.steps.items() if step < end}
    if any(part.rough for part in parts) or min(lines, default=0) != 1 or max(lines) < server:
        # Some of it was logged where this machine cannot look: the server has no gaps, then.
        return set(range(1, server + 1))
    return lines
