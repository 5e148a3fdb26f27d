"""Training time on Split-MNIST: ours, a bare PyTorch loop and Avalanche's own strategy, in one process.

    python benchmarks/speed/split_mnist.py --root DATA [--device cuda] [--batch 128] [--rounds 5]

CPU time of one thread (elapsed time on a GPU), medians of interleaved rounds, evaluation excluded. The bare loop reads
float images that lie ready in memory; ours holds uint8 and prepares each batch, and that time counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from avalanche.benchmarks.classic import SplitMNIST
from avalanche.training.supervised import DER, LwF
from bare import bare_derpp, bare_lwf
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.build import build_network
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.mnist import split_mnist
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.caching import fill_caches
from lifelong_kd.training.engine import Engine
from lifelong_kd.training.optimizer import sgd
from lifelong_kd.training.options import TrainingOptions
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.recorder import Recorder

OUT = Path(__file__).parent / "results"


def network(device: torch.device) -> nn.Module:
    """MLP 784-400-400-10."""
    torch.manual_seed(0)
    return build_network((1, 28, 28), 10, model=("mlp", {"hidden": [400, 400]})).to(device)


def ours(
    stream: Stream, make: Callable[[], Strategy], device: torch.device, batch: int, epochs: int, cache: str
) -> None:
    """The engine, as an experiment drives it."""
    model, strategy = network(device), make()
    options = TrainingOptions(epochs=epochs, batch_size=batch, teacher_cache=cache)  # type: ignore[arg-type]
    plugin = DistillationPlugin(strategy, scenario="class", seeds=Seeds(0))
    recorder = Recorder(parts=lambda: strategy.parts, every=50)
    engine: Any = Engine(
        model=model,
        optimizer=sgd(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=batch,
        train_epochs=epochs,
        device=device,
        plugins=[plugin],
        evaluator=recorder,
    )
    plugin.attach(engine)
    engine.equip(options=options, pipeline=stream.transforms, seeds=Seeds(0), precision="float32")

    def task() -> None:
        fill_caches(engine, strategy)
        engine.run_epochs()

    engine.on_task = task
    for experience in stream.benchmark.train_stream:
        engine.train(experience, eval_streams=[], shuffle=True)


def avalanche(benchmark: Any, kind: str, device: torch.device, batch: int, *, defaults: bool = False) -> None:
    """Avalanche's own strategy on its own benchmark, with its default metrics and printing or with none."""
    model = network(device)
    common: dict[str, Any] = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "criterion": nn.CrossEntropyLoss(),
        "train_mb_size": batch,
        "device": device,
        **({} if defaults else {"evaluator": None}),
    }
    if kind == "lwf":
        strategy: Any = LwF(alpha=1.0, temperature=2.0, **common)
    else:
        strategy = DER(mem_size=500, batch_size_mem=128, alpha=0.2, beta=1.0, **common)
    with contextlib.redirect_stdout(io.StringIO()):
        for experience in benchmark.train_stream:
            strategy.train(experience, eval_streams=[])


def timed(run: Callable[[], object], device: torch.device) -> float:
    """CPU seconds of this process; elapsed seconds on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        return time.perf_counter() - start
    start = time.process_time()
    run()
    return time.process_time() - start


def ready(stream: Stream, device: torch.device) -> list[tuple[Tensor, Tensor, list[int]]]:
    """The stream's training data as float tensors in memory, for the bare loops."""
    if stream.parts is None or stream.transforms is None:
        raise TypeError("the bare loops read our own streams")
    return [
        (
            stream.transforms.eval(part.gather(torch.arange(len(part)))).to(device),
            part.targets.to(device),
            list(task.classes),
        )
        for part, task in zip(stream.parts["train"], stream.tasks, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder that holds MNIST/raw")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["lwf", "lwf_cached", "derpp"])
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    device = torch.device(words.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    seeds = Seeds(0)
    stream = build_stream(
        "split_mnist", split_mnist(words.root, seeds), class_order=range(10), validation=0.0, seeds=seeds
    )
    if device.type == "cuda":
        stream.to(device)
    data = ready(stream, device)
    # Avalanche's own benchmark fetches and converts image by image; by default it also normalises them one by one.
    order = list(range(10))
    raw = SplitMNIST(
        5, fixed_class_order=order, dataset_root=words.root, train_transform=None, eval_transform=None
    )
    own = SplitMNIST(5, fixed_class_order=order, dataset_root=words.root)
    make_lwf = partial(lwf, temperature=2.0, weight=0.25)
    make_derpp = partial(derpp, alpha=0.2, beta=1.0, memory=500, memory_batch=128)
    batch = words.batch
    contests: dict[str, dict[str, Callable[[], object]]] = {
        "lwf": {
            "bare": lambda: bare_lwf(network(device), data, batch),
            "ours": lambda: ours(stream, make_lwf, device, batch, 1, "off"),
            "avalanche": lambda: avalanche(raw, "lwf", device, batch),
            "avalanche_defaults": lambda: avalanche(own, "lwf", device, batch, defaults=True),
        },
        "lwf_cached": {
            "bare": lambda: bare_lwf(network(device), data, batch, epochs=3, cached=True),
            "ours": lambda: ours(stream, make_lwf, device, batch, 3, "on"),
        },
        "derpp": {
            "bare": lambda: bare_derpp(network(device), data, batch),
            "ours": lambda: ours(stream, make_derpp, device, batch, 1, "off"),
            "avalanche": lambda: avalanche(raw, "derpp", device, batch),
            "avalanche_defaults": lambda: avalanche(own, "derpp", device, batch, defaults=True),
        },
    }
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "torch": torch.__version__,
        "batch": batch,
        "rounds": words.rounds,
        "teacher": {
            "lwf": "online, one epoch",
            "lwf_cached": "cached, three epochs",
            "derpp": "stored logits",
        },
    }
    for name, contest in contests.items():
        if words.only not in (None, name):
            continue
        times: dict[str, list[float]] = {who: [] for who in contest}
        for _ in range(words.rounds):
            for who, run in contest.items():
                times[who].append(timed(run, device))
        middle = {who: statistics.median(values) for who, values in times.items()}
        report[name] = {"seconds": times, "median": middle, "ours_by_bare": middle["ours"] / middle["bare"]}
        line = f"{name} ({report['teacher'][name]}): ours / bare = {middle['ours'] / middle['bare']:.3f}"
        for who in ("avalanche", "avalanche_defaults"):
            if who in middle:
                report[name][f"{who}_by_ours"] = middle[who] / middle["ours"]
                line += f", {who} / ours = {middle[who] / middle['ours']:.2f}"
        print(
            f"{line}  [{', '.join(f'{who} {seconds:.2f} s' for who, seconds in middle.items())}]", flush=True
        )
    OUT.mkdir(exist_ok=True)
    path = OUT / f"split_mnist_{device.type}_{batch}.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")
    write_table()


def write_table() -> None:
    """All reports side by side, as the README shows them."""
    lines = [
        "| device, batch | contest | ours / bare loop | Avalanche / ours | Avalanche as it comes / ours |",
        "|---|---|---|---|---|",
    ]
    for path in sorted(OUT.glob("split_mnist_*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        for name, teacher in report["teacher"].items():
            if name in report:
                cells = [
                    f"{report[name][key]:.2f}" if key in report[name] else ""
                    for key in ("ours_by_bare", "avalanche_by_ours", "avalanche_defaults_by_ours")
                ]
                lines.append(
                    f"| {report['device']}, {report['batch']} | {name}: {teacher} | {' | '.join(cells)} |"
                )
    (OUT / "split_mnist.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
