"""One canonical case for every registered component; a component without an entry fails the suite."""

from collections.abc import Callable
from functools import partial
from typing import Any

from lifelong_kd.knowledge import registry as knowledges
from lifelong_kd.memory import registry as memories
from lifelong_kd.model import heads
from lifelong_kd.model import registry as models
from lifelong_kd.schedule import registry as schedules
from lifelong_kd.strategy import registry as strategies
from lifelong_kd.stream import registry as streams
from lifelong_kd.stream import transforms
from lifelong_kd.teacher import registry as teachers
from lifelong_kd.tracking import registry as trackers
from lifelong_kd.training import optimizers

Case = dict[str, Any]

KNOWLEDGE: dict[str, Case] = {"kd": {"temperature": 2.0}, "bce": {}, "mse": {}}

SCHEDULE: dict[str, Case] = {
    "complement": {"of": 0.25},
    "constant": {"weight": 0.5},
    "cosine": {"of": 2.0, "start": 1.0, "stop": 0.1, "share": 0.7},
    "gradient_ratio": {"of": [0.0, 1.0, 1.0, 1.0, 2.0], "scale": 0.5, "every": 3},
    "inverse_task": {},
    "linear": {"of": 2.0, "stop": 3.0, "share": 0.7},
    "old_all": {"scale": 1.0},
    "per_task": {"weights": [0.0, 1.0, 2.0, 3.0, 4.0]},
    "power_ratio": {"scale": 5.0},
    "sample_share": {},
    "sqrt_all_new": {"scale": 3.0},
    "sqrt_old_new": {"scale": 5.0},
    "task_ratio": {},
    "warmup": {"of": 2.0, "share": 0.2},
}

# Options, and the most samples it may hold after six classes.
MEMORY: dict[str, tuple[Case, int]] = {
    "balanced": ({"total": 30}, 30),
    "balanced_reservoir": ({"capacity": 30}, 30),
    "herding": ({"per_class": 5}, 30),
    "kmeans": ({"total": 30}, 30),
    "random": ({"total": 60}, 60),
    "reservoir": ({"capacity": 30}, 30),
}

TEACHER: dict[str, Case] = {"snapshot": {}, "stored": {}}

# Options, the scenarios it is checked in. HOW says more where a strategy needs another head or model.
STRATEGY: dict[str, tuple[Case, tuple[str, ...]]] = {
    "der": ({"memory": 40}, ("class", "task", "domain")),
    "derpp": ({"memory": 40}, ("class", "task", "domain")),
    "fdr": ({"memory": 40}, ("class", "task", "domain")),
    "icarl": ({"memory": 24}, ("class", "task", "domain")),
    "joint": ({}, ("class", "task", "domain")),
    "lwf": ({}, ("class", "task", "domain")),
    "naive": ({}, ("class", "task", "domain")),
    "replay": ({"memory": 40}, ("class", "task", "domain")),
    "ser": ({"memory": 40}, ("class", "task", "domain")),
}

# Further arguments of check_strategy: the head or backbone that a strategy is made for.
CONV = ("cnn", {"width": 4, "stages": 2})
HOW: dict[str, Case] = {}

# These learn from their memory or an average of themselves from the first step on.
ONLINE = {"cls_er", "der", "derpp", "mkd", "replay", "ser", "xder"}

HEAD: dict[str, Case] = {"linear": {"grow": True}, "multihead": {}, "cosine": {"grow": True}}

# Options and the shape of a sample.
MODEL: dict[str, tuple[Case, tuple[int, ...]]] = {
    "cnn": ({"width": 4}, (1, 8, 8)),
    "mlp": ({"hidden": [8, 8]}, (1, 4, 4)),
    "resnet18": ({"width": 4}, (3, 32, 32)),
    "resnet32": ({"width": 4}, (3, 32, 32)),
    "torchvision": ({"architecture": "shufflenet_v2_x0_5"}, (3, 32, 32)),
}

# Models that need what is not installed; their own tests say what they do without it.
MODEL_ELSEWHERE = {"timm": "tests/model/test_backbones.py: with a stand-in for the package, and without it"}

# Streams whose data are not at hand are checked on made files of their layout.
STREAM = {"split_digits"}
STREAM_ELSEWHERE = dict.fromkeys(
    (
        "arrays",
        "core50",
        "image_folder",
        "permuted_mnist",
        "rotated_mnist",
        "split_cifar10",
        "split_cifar100",
        "split_fashion_mnist",
        "split_mnist",
        "split_tiny_imagenet",
    ),
    "tests/stream/test_data_sets.py and test_streams.py: on made files of the same layout",
)

TRANSFORM: dict[str, Case] = {
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
    "crop": {"padding": 2},
    "erasing": {"p": 1.0},
    "flip": {"p": 0.5},
    "rotation": {"degrees": 30.0},
}

TRACKER: dict[str, Case] = {"console": {"mode": "plain"}, "jsonl": {}, "wandb": {"mode": "offline"}}

OPTIMIZER: dict[str, Case] = {"adam": {}, "adamw": {}, "sgd": {"lr": 0.1, "momentum": 0.9}}

COVERED: dict[str, tuple[Any, set[str]]] = {
    "head": (heads, set(HEAD)),
    "knowledge": (knowledges, set(KNOWLEDGE)),
    "memory": (memories, set(MEMORY)),
    "model": (models, {*MODEL, *MODEL_ELSEWHERE}),
    "optimizer": (optimizers, set(OPTIMIZER)),
    "schedule": (schedules, set(SCHEDULE)),
    "stream": (streams, {*STREAM, *STREAM_ELSEWHERE}),
    "teacher": (teachers, set(TEACHER)),
    "tracker": (trackers, set(TRACKER)),
    "transform": (transforms, set(TRANSFORM)),
    # Avalanche's own are checked in tests/training/test_avalanche_strategies.py, one by one.
    "strategy": (strategies, {*STRATEGY, *(n for n in strategies.names() if n.startswith("avalanche/"))}),
}


def strategy_makers() -> list[tuple[str, str, Callable[[], Any], Case]]:
    """(name, scenario, factory, further arguments) of every strategy of ours in every scenario."""
    return [
        (name, scenario, partial(strategies.get(name), **options), HOW.get(name, {}))
        for name, (options, scenarios) in STRATEGY.items()
        for scenario in scenarios
    ]
