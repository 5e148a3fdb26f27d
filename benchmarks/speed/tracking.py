"""What tracking costs: seconds in W&B's tracker by seconds of training, offline and switched off, one process.

    python benchmarks/speed/tracking.py                 images of noise in the shape of MNIST
    python benchmarks/speed/tracking.py --root DATA --rounds 3

``configs/split_mnist/lwf.yaml`` (four epochs) and ``derpp.yaml`` (one), with one thread and every default of tracking
and evaluation. The variants are run in turn, ``--rounds`` times; shown are the medians. Calls during training are those
of ``log``, ``figure``, ``table``, ``artifact`` and ``summary``: so long training waits. Starting and finishing W&B
takes the same however long a run is and stands apart. Rows are handed to the SDK in a thread, which works while the
arithmetic does: CPU is the time in those calls and in that thread, and its share of the CPU time of the run without
them. ``service`` is what W&B's own process used over the whole run, beside training and not instead of it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import struct
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lifelong_kd.config.build import build
from lifelong_kd.config.load import load_config
from lifelong_kd.tracking.wandb import WandbTracker

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).parent / "results" / "tracking.md"
CONFIGS = ("lwf", "derpp")
DURING = ("log", "figure", "table", "artifact", "summary")
APART = ("start", "finish")
HEADER = (
    "| configuration | W&B | training, s | calls | in calls, ms | share, % | CPU, ms | share of CPU, % | start, s |"
    " finish, s | service, CPU s |"
)


class Clock:
    """Seconds and CPU seconds in a tracker's methods, by name."""

    def __init__(self, tracker: Any) -> None:
        self.seconds = dict.fromkeys((*DURING, *APART), 0.0)
        self.cpu = dict.fromkeys((*DURING, *APART), 0.0)
        self.calls = dict.fromkeys((*DURING, *APART), 0)
        for name in self.seconds:
            setattr(tracker, name, self._timed(name, getattr(tracker, name)))

    def _timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began, used = time.perf_counter(), time.process_time()
            try:
                return method(*arguments)
            finally:
                self.seconds[name] += time.perf_counter() - began
                self.cpu[name] += time.process_time() - used
                self.calls[name] += 1

        return call


class Beside:
    """CPU seconds of the thread in which the tracker hands rows to the SDK."""

    def __init__(self, tracker: Any) -> None:
        self.seconds = 0.0
        work = tracker._sender._do

        def timed(*further: Callable[[], None]) -> None:
            mine = threading.current_thread().name == "wandb-sender"
            began = time.thread_time()
            work(*further)
            self.seconds += (time.thread_time() - began) * mine

        tracker._sender._do = timed


def measure(config: str, mode: str, root: Path, detail: bool) -> list[float]:
    """A row: seconds of training, calls, time in them and its share, the same of CPU, start, finish, service."""
    import wandb

    given = [
        f"tracking.wandb.mode={mode}",
        "tracking.console=off",
        f"stream.root={root}",
        "training.threads=1",
    ]
    experiment = build(load_config(ROOT / "configs" / "split_mnist" / f"{config}.yaml", given))
    (tracker,) = (one for one in experiment.trackers if isinstance(one, WandbTracker))
    clock = Clock(tracker)
    beside = Beside(tracker)
    before = children()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        training = experiment.run(Path(folder) / "run")["cost"]["training_seconds"]
        whole = time.process_time() - began - sum(clock.cpu.values()) - beside.seconds
        if tracker not in list(experiment.trackers):
            raise SystemExit("the tracker failed, so that nothing was measured")
        # W&B's own process ends, and its time is known.
        wandb.teardown()
    if detail:
        for name in (*DURING, *APART):
            spent, used = 1e3 * clock.seconds[name], 1e3 * clock.cpu[name]
            print(f"{config} {mode} {name}: {clock.calls[name]} calls, {spent:.1f} ms, CPU {used:.1f} ms")
    spent = sum(clock.seconds[name] for name in DURING)
    used = sum(clock.cpu[name] for name in DURING)
    calls = sum(clock.calls[name] for name in DURING)
    ends = [clock.seconds[name] for name in APART]
    used += beside.seconds
    shares = [1e3 * spent, 100 * spent / training, 1e3 * used, 100 * used / whole]
    return [training, calls, *shares, *ends, children() - before]


def children() -> float:
    """CPU seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_noise(root: Path) -> Path:
    """Files like those of MNIST, with noise for digits."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, samples in (("train", 60_000), ("t10k", 10_000)):
        images = rng.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
        labels = (np.arange(samples) % 10).astype(np.uint8)
        header = struct.pack(">iiii", 0x803, samples, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">ii", 0x801, samples)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return root


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder with MNIST/raw; noise if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--detail", action="store_true", help="print every method of every run")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [HEADER, "|" + "---|" * HEADER.count(" | ") + "---|"]
    with tempfile.TemporaryDirectory() as made:
        root = words.root or make_noise(Path(made))
        for config in words.only:
            rows: dict[str, list[list[float]]] = {"offline": [], "disabled": []}
            for _ in range(words.rounds):
                for mode, found in rows.items():
                    found.append(measure(config, mode, root, words.detail))
            for mode, found in rows.items():
                training, calls, spent, share, used, share_cpu, start, finish, service = (
                    statistics.median(column) for column in zip(*found, strict=True)
                )
                lines.append(
                    f"| `{config}` | {mode} | {training:.2f} | {calls:.0f} | {spent:.1f} | {share:.2f} | {used:.1f} |"
                    f" {share_cpu:.2f} | {start:.2f} | {finish:.2f} | {service:.2f} |"
                )
    text = "\n".join(lines) + "\n"
    print(text)
    if words.only == list(CONFIGS):
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
