"""A study that is killed in the middle, resumed and compared, as the README shows it.

    python benchmarks/reproductions/study.py

Four strategies with five seeds on split_digits. The sweep is killed by ``kill -9`` once a third of its cells are
finished, and called again; then `lifelong-kd compare` writes table, plots and page to
``benchmarks/reproductions/results/study/``. The picture of the page needs chromium and playwright.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from one_run import ROOT

OUT = Path(__file__).parent / "results" / "study"
GRID = (
    "strategy=naive,{name: lwf, task_loss: new},{name: icarl, memory: 200},{name: derpp, memory: 200}",
    "seed=0..4",
)
CELLS = 20
# What of the comparison is kept beside this file: the README shows it.
KEPT = (
    "compare.md",
    "compare.html",
    "page.png",
    "plots/curves.png",
    "plots/stability.png",
    "plots/matrices.png",
    "plots/cost.png",
)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "lifelong_kd", *words]


def sweep(study: Path, jobs: int) -> list[str]:
    config = ROOT / "configs" / "split_digits" / "derpp.yaml"
    return command("sweep", str(config), *GRID, "--jobs", str(jobs), "--out", str(study))


def finished(study: Path) -> int:
    """How many cells say that they are finished."""
    states = [json.loads(file.read_text(encoding="utf-8")) for file in study.glob("*/run.json")]
    return sum(state["status"] == "finished" for state in states)


def kill_in_the_middle(study: Path, jobs: int) -> int:
    """Start the sweep and kill it; how many cells were finished by then."""
    with subprocess.Popen(sweep(study, jobs)) as process:
        while finished(study) < CELLS // 3:
            if process.poll() is not None:
                raise SystemExit(f"the sweep ended by itself with exit status {process.returncode}")
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
    return finished(study)


def photograph(page: Path, picture: Path) -> None:
    """The top of the page as a browser shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        view.goto(page.resolve().as_uri())
        view.screenshot(path=str(picture))
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--study", type=Path, help="its folder; a temporary one if not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study = (given.study or Path(temporary) / "digits").resolve()
        before = kill_in_the_middle(study, given.jobs)
        print(f"killed with {before} of {CELLS} cells finished", flush=True)
        subprocess.run(sweep(study, given.jobs), check=True)
        print(f"resumed: {finished(study)} of {CELLS} cells finished", flush=True)
        made = study.parent / "compared"
        # From where it lies: the page shows the paths as they were given.
        words = command("compare", study.name, "--baseline", "naive", "--out", made.name)
        subprocess.run(words, check=True, cwd=study.parent)
        photograph(made / "compare.html", made / "page.png")
        shutil.rmtree(OUT, ignore_errors=True)
        for name in KEPT:
            (OUT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made / name, OUT / name)


if __name__ == "__main__":
    main()
