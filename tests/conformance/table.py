"""One canonical case for every registered component; a component without an entry fails the suite."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from lifelong_kd.correction import registry as corrections
from lifelong_kd.generator import registry as generators
from lifelong_kd.generator.adversarial import Abd
from lifelong_kd.generator.inversion import DeepInversion
from lifelong_kd.generator.vae import Vae
from lifelong_kd.knowledge import registry as knowledges
from lifelong_kd.memory import registry as memories
from lifelong_kd.model import heads
from lifelong_kd.model import registry as models
from lifelong_kd.model.build import build_network
from lifelong_kd.model.network import Network
from lifelong_kd.phase import registry as phases
from lifelong_kd.rounds import registry as rounds
from lifelong_kd.schedule import registry as schedules
from lifelong_kd.strategy import registry as strategies
from lifelong_kd.strategy.terms import registry as terms
from lifelong_kd.stream import encoders, pools, transforms
from lifelong_kd.stream import registry as streams
from lifelong_kd.stream.pool_patches import PatchesPool
from lifelong_kd.teacher import registry as teachers
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.tracking import registry as trackers
from lifelong_kd.training import optimizers
from lifelong_kd.training.families import registry as families
from tests.training.gaussians import replaying

Case = dict[str, Any]

KNOWLEDGE: dict[str, Case] = {
    "afc": {},
    "attention": {"power": 2.0},
    "bce": {},
    "ce": {"temperature": 2.0},
    "correlation": {"gamma": 0.4, "order": 2},
    "cosine": {},
    "dist": {"temperature": 1.0, "beta": 1.0, "gamma": 1.0},
    "dkd": {"temperature": 4.0, "alpha": 1.0, "beta": 8.0},
    "feature_l2": {"squared": True},
    "gradcam": {"stages": "last"},
    "hint": {"projector": "auto", "projector_lr": 0.01},
    "kd": {"temperature": 2.0},
    "l1": {},
    "lwf_original": {"temperature": 2.0},
    "mse": {},
    "pod": {"pool": "spatial"},
    "probability_l2": {"temperature": 1.0},
    "rkd_angle": {},
    "rkd_distance": {},
    "similarity": {},
    "zscore": {"temperature": 2.0, "intra": 1.0},
}

SCHEDULE: dict[str, Case] = {
    "complement": {"of": 0.25},
    "constant": {"weight": 0.5},
    "cosine": {"of": 2.0, "start": 1.0, "stop": 0.1, "share": 0.7},
    "gradient_ratio": {"of": [0.0, 1.0, 1.0, 1.0, 2.0], "scale": 0.5, "every": 3},
    "inverse_task": {},
    "linear": {"of": 2.0, "stop": 3.0, "share": 0.7},
    "log_sqrt": {"scale": 0.15},
    "old_all": {"scale": 1.0},
    "per_old_class": {"of": 2.0},
    "per_task": {"weights": [0.0, 1.0, 2.0, 3.0, 4.0]},
    "per_log_sqrt": {"scale": 0.5},
    "power_ratio": {"scale": 5.0},
    "product": {"of": 2.0, "by": [0.0, 1.0, 2.0, 3.0, 4.0]},
    "sample_share": {},
    "sqrt_all_new": {"scale": 3.0},
    "sqrt_old_new": {"scale": 5.0},
    "sum": {"of": 2.0, "by": [0.0, 1.0, 2.0, 3.0, 4.0]},
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

# Options made anew each time, since a teacher that is a member belongs to one other teacher only.
TEACHER: dict[str, Callable[[], Case]] = {
    "all_snapshots": dict,
    "choice": lambda: {"teachers": [Ema(update_probability=0.5), Ema(decay=0.9)]},
    "concatenation": lambda: {"old": Snapshot(), "new": Expert(), "center": True},
    "ema": lambda: {"decay": 0.9, "update_probability": 0.7},
    "ensemble": lambda: {"teachers": [Snapshot(), Ema(bn="adapt")]},
    "exemplars": lambda: {"per_class": 2},
    "expert": dict,
    "external": lambda: {"module": elsewhere(), "class_map": {0: 3, 2: 0}},
    "rules": lambda: {"rules": [{"statistic": "mean", "above": 0.5, "label": "3"}]},
    "semantics": lambda: {"descriptions": {"0": "a ring", "1": "a bar", "2": "a hook", "3": "a double hook"}},
    "sklearn": lambda: {"estimator": "tree"},
    "snapshot": dict,
    "stored": dict,
}

GENERATOR: dict[str, Case] = {
    "abd": {"iterations": 3, "batch": 8, "latent": 4, "width": 4},
    "deep_inversion": {"samples": 12, "iterations": 3, "batch": 8},
    "gan": {"hidden": [16], "latent": 4},
    "latent_replay": {"at": "stage1"},
    "conditional_vae": {"hidden": [16], "latent": 4},
    "vae": {"network": "conv", "hidden": [4, 8], "latent": 4},
}

# Their samples have the shape (3, 8, 8).
POOL: dict[str, Case] = {"left_out": {}, "noise": {}, "patches": {"patch": 2}}
POOL_ELSEWHERE = dict.fromkeys(("dataset", "files"), "tests/stream/test_pools.py: on made files")

# Each with the tests that look at it; tests/strategy/test_compose.py names them in YAML.
TERM = {
    "codes": "tests/strategy/test_ebll.py",
    "distill": "tests/strategy/test_terms.py",
    "future_cap": "tests/strategy/test_xder.py",
    "important_maps": "tests/strategy/test_podnet.py",
    "head_alone": "tests/strategy/test_abd.py",
    "margin_ranking": "tests/strategy/test_lucir.py",
    "old_head": "tests/strategy/test_abd.py",
    "past_cap": "tests/strategy/test_xder.py",
    "rehearse": "tests/strategy/test_terms.py",
    "transplant": "tests/strategy/test_xder.py",
}

# The value of "teacher" is the name of one.
PHASE: dict[str, Case] = {
    "balanced_fine_tuning": {"epochs": 2, "lr": 0.01, "temperature": 2.0},
    "consolidation": {"epochs": 2},
    "expert": {"teacher": "expert", "epochs": 2},
    "freeze": {},
    "fresh_start": {},
    "imprint": {},
    "warm_up": {"epochs": 2},
}
CORRECTION: dict[str, Case] = {
    "averaged_weights": {"teacher": "ema"},
    "bias_layers": {"epochs": 5},
    "il2m": {},
    "nearest_mean": {},
    "prototype_drift": {},
    "weight_alignment": {},
}

# A phase that needs a generator, with the tests that look at it.
PHASE_ELSEWHERE = {"head_fine_tuning": "tests/strategy/test_r_dfcil.py"}

# Options, the scenarios it is checked in. HOW says more where a strategy needs another head or model.
STRATEGY: dict[str, tuple[Case, tuple[str, ...]]] = {
    "abd": ({"generator": Abd(iterations=2, batch=8, latent=4, width=4)}, ("class", "domain")),
    "afc": ({"memory": 24, "fine_tuning_epochs": 1}, ("class", "task", "domain")),
    "ancl": ({}, ("class", "task", "domain")),
    "bic": ({"memory": 24, "epochs": 5}, ("class", "task", "domain")),
    "bir": ({"hidden": [16], "latent": 4}, ("class", "task", "domain")),
    "ccil": ({"memory": 24, "self_distillation": 1, "self_epochs": 1}, ("class", "task", "domain")),
    "cls_er": ({"memory": 40}, ("class", "task", "domain")),
    "compress": (
        {"assistants": [("mlp", {"hidden": [12]})], "expert_epochs": 1},
        ("class", "task", "domain"),
    ),
    "compose": ({"noise": 0.1}, ("class", "task", "domain")),
    "deep_inversion": (
        {"generator": DeepInversion(samples=12, iterations=2, batch=8)},
        ("class", "task", "domain"),
    ),
    "der": ({"memory": 40}, ("class", "task", "domain")),
    "derpp": ({"memory": 40}, ("class", "task", "domain")),
    "dgr": ({"generator": Vae(hidden=[16], latent=4)}, ("class", "task", "domain")),
    "dgr_distill": ({"generator": Vae(hidden=[16], latent=4)}, ("class", "task", "domain")),
    "dmc": ({"pool": PatchesPool(patch=2)}, ("class", "task")),
    "ebll": ({"encoder_epochs": 2}, ("class", "task", "domain")),
    "eeil": ({"memory": 24, "balanced_epochs": 1, "balanced_lr": 0.01}, ("class", "task", "domain")),
    "fdr": ({"memory": 40}, ("class", "task", "domain")),
    "foster": ({"memory": 24}, ("class", "task", "domain")),
    "gd": ({"memory": 24, "pool": PatchesPool(patch=2), "balanced_epochs": 1}, ("class", "task")),
    "icarl": ({"memory": 24}, ("class", "task", "domain")),
    "il2m": ({"memory": 24}, ("class", "task", "domain")),
    "joint": ({}, ("class", "task", "domain")),
    "latent_replay": ({"at": "layer1"}, ("class", "task", "domain")),
    "lfl": ({}, ("class", "task", "domain")),
    "lkd": ({"on": "lwf"}, ("class", "task", "domain")),
    "lucir": ({"memory": 24, "fine_tuning_epochs": 1}, ("class", "task", "domain")),
    "lwf": ({}, ("class", "task", "domain")),
    "lwf_mc": ({}, ("class", "task", "domain")),
    "lwm": ({}, ("class", "task", "domain")),
    "mkd": ({"memory": 40}, ("class", "task", "domain")),
    "naive": ({}, ("class", "task", "domain")),
    "pass": ({}, ("class",)),
    "podnet": ({"memory": 24, "fine_tuning_epochs": 1}, ("class", "task", "domain")),
    "r_dfcil": (
        {"generator": Abd(fresh=True, iterations=2, batch=8, latent=4, width=4), "head_epochs": 1},
        ("class", "domain"),
    ),
    "replay": ({"memory": 40}, ("class", "task", "domain")),
    "ser": ({"memory": 40}, ("class", "task", "domain")),
    "ta": ({"warm_up": 1}, ("class", "task", "domain")),
    "wa": ({"memory": 24}, ("class", "task", "domain")),
    "xder": ({"memory": 24}, ("class", "task")),
    "ss_il": ({"memory": 24, "memory_batch": 8}, ("class", "task", "domain")),
}

# Further arguments of check_strategy: the head or backbone that a strategy is made for.
CONV = ("cnn", {"width": 4, "stages": 2})
HOW: dict[str, Case] = {
    "afc": {"head": "lsc", "model": CONV},
    "lucir": {"head": "cosine"},
    "lwm": {"model": CONV},
    "podnet": {"head": "lsc", "model": CONV},
}

# These learn from their memory or an average of themselves from the first step on.
ONLINE = {"bir", "cls_er", "compress", "der", "derpp", "mkd", "pass", "replay", "ser", "xder"}

HEAD: dict[str, Case] = {
    "cosine": {"grow": True},
    "linear": {"grow": True},
    "lsc": {"grow": True, "proxies": 3},
    "multihead": {},
}

# Options and the shape of a sample.
MODEL: dict[str, tuple[Case, tuple[int, ...]]] = {
    "audio_cnn": ({"width": 4, "dropout": 0.1}, (1, 6, 16)),
    "cnn": ({"width": 4}, (1, 8, 8)),
    "embedding_bag": ({"vocabulary": 50, "width": 8, "hidden": [8]}, (6,)),
    "mlp": ({"hidden": [8, 8]}, (1, 4, 4)),
    "resnet18": ({"width": 4}, (3, 32, 32)),
    "resnet32": ({"width": 4}, (3, 32, 32)),
    "text_transformer": ({"vocabulary": 50, "width": 8, "heads": 2}, (6,)),
    "torchvision": ({"architecture": "shufflenet_v2_x0_5"}, (3, 32, 32)),
}

# Models that need what is not installed; their own tests say what they do without it.
MODEL_ELSEWHERE = {
    "timm": "tests/model/test_backbones.py: with a stand-in for the package, and without it",
    "transformers": "tests/model/test_pretrained_text.py: on a model made there, and without the package",
}

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
) | {
    "split_audio": "tests/stream/test_split_audio.py: on made recordings",
    "split_text": "tests/stream/test_split_text.py: on made texts",
}

# Each gives a text the same row whatever stands beside it.
ENCODER: dict[str, Case] = {
    "hashing": {"size": 64},
    "tfidf": {"size": 64},
    "tokens": {"vocabulary": 50, "length": 5},
}
ENCODER_ELSEWHERE = {"transformers": "tests/model/test_pretrained_text.py: with a tokenizer made there"}

TRANSFORM: dict[str, Case] = {
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
    "crop": {"padding": 2},
    "erasing": {"p": 1.0},
    "flip": {"p": 0.5},
    "rotation": {"degrees": 30.0},
}

TRACKER: dict[str, Case] = {"console": {"mode": "plain"}, "jsonl": {}, "wandb": {"mode": "offline"}}

ROUNDS: dict[str, Case] = {
    "balance": {"budget": 4, "soften": 0.5},
    "born_again": {"generations": 3, "noise": 0.0},
    "plasticity_stability": {"attempts": 3},
    "scholar": {"budget": 4},
    "search": {"trials": 3},
    "single": {},
}

FAMILY: dict[str, Case] = {
    "calibration": {"bins": 5},
    "compression": {"repeats": 3},
    "cost": {},
    "examples": {"count": 4, "samples": 10},
    "generalisation": {},
    "outliers": {"samples": 15},
    "representation": {"samples": 40, "neighbours": 3},
    "robustness": {"samples": 8},
    "samples": {"samples": 30, "columns": 4},
    "stability": {"every": 2, "samples": 8},
    "teacher": {"samples": 20, "gradient_batches": 1},
}

# What a family is checked on, if not on a strategy with a teacher and a memory.
FAMILY_ON: dict[str, Callable[[], Any]] = {"samples": replaying}

OPTIMIZER: dict[str, Case] = {"adam": {}, "adamw": {}, "sgd": {"lr": 0.1, "momentum": 0.9}}

COVERED: dict[str, tuple[Any, set[str]]] = {
    "correction": (corrections, set(CORRECTION)),
    "encoder": (encoders, {*ENCODER, *ENCODER_ELSEWHERE}),
    "family": (families, set(FAMILY)),
    "generator": (generators, set(GENERATOR)),
    "head": (heads, set(HEAD)),
    "knowledge": (knowledges, set(KNOWLEDGE)),
    "memory": (memories, set(MEMORY)),
    "model": (models, {*MODEL, *MODEL_ELSEWHERE}),
    "optimizer": (optimizers, set(OPTIMIZER)),
    "pool": (pools, {*POOL, *POOL_ELSEWHERE}),
    "phase": (phases, {*PHASE, *PHASE_ELSEWHERE}),
    "rounds": (rounds, set(ROUNDS)),
    "schedule": (schedules, set(SCHEDULE)),
    "stream": (streams, {*STREAM, *STREAM_ELSEWHERE}),
    "teacher": (teachers, set(TEACHER)),
    "term": (terms, set(TERM)),
    "tracker": (trackers, set(TRACKER)),
    "transform": (transforms, set(TRANSFORM)),
    # Avalanche's own are checked in tests/training/test_avalanche_strategies.py, one by one.
    "strategy": (strategies, {*STRATEGY, *(n for n in strategies.names() if n.startswith("avalanche/"))}),
}


def elsewhere() -> Network:
    """A network of another architecture than the student's, with classes of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return build_network((1, 8, 8), 5, model=("cnn", {"width": 3, "stages": 2}))


def _fresh(name: str, options: Case) -> Any:
    """A strategy none of whose parts another one has."""
    return strategies.get(name)(**copy.deepcopy(options))


def strategy_makers() -> list[tuple[str, str, Callable[[], Any], Case]]:
    """(name, scenario, factory, further arguments) of every strategy of ours in every scenario."""
    return [
        (name, scenario, partial(_fresh, name, options), HOW.get(name, {}))
        for name, (options, scenarios) in STRATEGY.items()
        for scenario in scenarios
    ]
