"""A folder with a comparison in every format."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from lifelong_kd.comparison.render import as_csv, as_data, as_latex, as_markdown, as_summary_csv
from lifelong_kd.comparison.types import Comparison
from lifelong_kd.core.errors import BadCall

__all__ = ["as_json", "refuse_run_folder", "write_all"]

# Of files that are still being written; one that a killed process left is cleared away by the next.
PARTIAL = ".compare.partial"


def as_json(comparison: Comparison) -> str:
    """`as_data` as JSON."""
    return json.dumps(as_data(comparison), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def refuse_run_folder(folder: Path) -> None:
    """A comparison goes to a folder of its own.

    Raises:
        BadCall: for the folder of a run, and for a file.
    """
    if (folder / "config.yaml").exists() or (folder / "results.json").exists():
        raise BadCall(f"--out {folder} is the folder of a run: give another one, or one inside it")
    if folder.exists() and not folder.is_dir():
        raise BadCall(f"--out {folder} is a file: give a folder")


def write_all(comparison: Comparison, folder: Path, command: str | None = None) -> list[Path]:
    """Write the tables, the page and the plots; returns their paths. The page shows the ``command`` that made it.

    Everything is made first and then moved to its place, each file at once: a reader never sees half of one, and what
    an earlier comparison wrote is replaced.

    Raises:
        BadCall: if the folder is that of a run, or cannot be written.
    """
    from lifelong_kd.comparison.page import write_page
    from lifelong_kd.comparison.plots import draw, draw_all

    refuse_run_folder(folder)
    partial = folder / PARTIAL
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "plots").mkdir(parents=True)
        texts = {
            "compare.md": as_markdown(comparison),
            "compare.csv": as_csv(comparison),
            "compare_summary.csv": as_summary_csv(comparison),
            "compare.tex": as_latex(comparison),
            "compare.json": as_json(comparison),
        }
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8", newline="")
        pictures = draw(comparison)
        write_page(comparison, partial / "compare.html", command, pictures=pictures)
        draw_all(comparison, partial / "plots", pictures=pictures)
        if (folder / "compare.html").is_file():
            # What an earlier comparison drew and this one does not would be taken for a part of it.
            shutil.rmtree(folder / "plots", ignore_errors=True)
        made = sorted(path.relative_to(partial) for path in partial.rglob("*") if path.is_file())
        for path in made:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial / path, folder / path)
        shutil.rmtree(partial)
    except OSError as error:
        raise BadCall(f"--out {folder} cannot be written: {error.strerror or error}") from error
    return [folder / path for path in made]
