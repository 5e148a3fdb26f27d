"""Package metadata; ``pyproject.toml`` holds the build system and the settings of the tools."""

import ast
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """The version, from the one place that states it, without importing the package."""
    tree = ast.parse((HERE / "lifelong_kd" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
            return str(ast.literal_eval(node.value))
    raise RuntimeError("lifelong_kd/__init__.py states no __version__")


def description() -> str:
    """The README, if it is there."""
    readme = HERE / "README.md"
    return readme.read_text(encoding="utf-8") if readme.is_file() else ""


AUDIO = ["librosa>=0.11", "soundfile"]
ONNX = ["onnx>=1.17", "onnxruntime", "onnxscript"]
TEXT = ["transformers>=5"]

EXTRAS = {
    "audio": AUDIO,
    "onnx": ONNX,
    "ray": ["ray"],
    "search": ["optuna>=4"],
    "slurm": ["submitit"],
    "text": TEXT,
    "timm": ["timm>=1.0"],
    "reports": ["wandb-workspaces>=0.4"],
    "dev": [
        *AUDIO,
        *ONNX,
        *TEXT,
        "build>=1.2",
        "mypy>=2.4,<3",
        "optuna>=4",
        "playwright>=1.50",
        "pytest>=9",
        "pytest-timeout>=2.4",
        "pytest-xdist>=3.8",
        "ray",
        "ruff>=0.17.5,<0.18",
        "setuptools>=77",
        "submitit",
        "torchmetrics",
        "types-PyYAML",
        "wandb-workspaces>=0.4",
        "wheel",
    ],
}

setup(
    name="lifelong_kd",
    version=version(),
    description="Continual learning in which earlier models teach later ones: knowledge distillation on Avalanche.",
    long_description=description(),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["lifelong_kd", "lifelong_kd.*"]),
    package_data={
        "lifelong_kd": ["py.typed"],
        "lifelong_kd.comparison.page": ["template.html", "page.css", "page.js"],
    },
    python_requires=">=3.11",
    install_requires=[
        "avalanche-lib==0.6.0",
        "torch>=2.11",
        "torchvision",
        "wandb>=0.31,<0.32",
        "numpy",
        "pydantic>=2",
        "PyYAML",
        "click",
        "rich",
        "safetensors",
        "scikit-learn",
        # bootstrap and permutation_test take "rng" from 1.15 on.
        "scipy>=1.15",
        "matplotlib",
        "Jinja2>=3.1",
        "pillow>=10.1",
        "requests",
        # Avalanche asks for it through an extra that older versions of pip leave out.
        "quadprog",
    ],
    extras_require=EXTRAS,
    # Our own components stand in the registries; other packages add theirs through the groups "lifelong_kd.<noun>":
    # correction, family, generator, head, knowledge, memory, model, optimizer, phase, pool, rounds, schedule,
    # encoder, strategy, stream, teacher, term, tracker, transform.
    entry_points={"console_scripts": ["lifelong-kd = lifelong_kd.__main__:run"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
