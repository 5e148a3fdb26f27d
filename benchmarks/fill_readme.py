"""Put the tables that the benchmarks wrote into the README and into RESULTS.md.

python benchmarks/fill_readme.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lifelong_kd.tracking.wandb.keys import KEYS

HERE = Path(__file__).parent
TABLES = HERE / "reproductions" / "results"
PLACES: dict[Path, dict[str, Path]] = {
    HERE.parent / "README.md": {
        "split_digits, some": TABLES / "split_digits.md",
        "split_mnist": TABLES / "split_mnist.md",
        "speed": HERE / "speed" / "results" / "split_mnist.md",
        "rounds_pay, some": TABLES / "rounds_pay.md",
        "evaluation": HERE / "speed" / "results" / "evaluation.md",
        "tracking": HERE / "speed" / "results" / "tracking.md",
        "study": TABLES / "study" / "compare.md",
        "wandb_keys": TABLES / "wandb_keys.md",
        "generative_replay": TABLES / "generative_replay.md",
        "text_and_speech": TABLES / "text_and_speech.md",
    },
    HERE / "RESULTS.md": {
        "three_scenarios": TABLES / "three_scenarios.md",
        "dark_experience": TABLES / "dark_experience.md",
        "image_folder": TABLES / "image_folder.md",
        "lwf_weights": TABLES / "lwf_weights.md",
        "rounds_pay": TABLES / "rounds_pay.md",
        "split_digits": TABLES / "split_digits.md",
        **{
            name: TABLES / f"{name}.md"
            for name in (
                "generative_replay",
                "data_free",
                "scholar_pays",
                "expert_teachers",
                "text_and_speech",
                "few_samples",
                "parameter_distillation",
                "compression",
            )
        },
    },
}
"""For each page the tables that it shows, by the name of their mark."""

METHODS = ("derpp", "ewc", "icarl", "joint", "lwf", "lwf_all", "lwf_task", "naive", "podnet")
KNOWN = (*(f"/{method}.yaml" for method in METHODS), "LwF, domain-IL", "DER++, class-IL", "iCaRL, class-IL")


def filled(text: str, tables: Mapping[str, Path]) -> str:
    """``text`` with each table between its marks; a table that was not written yet leaves its place as it is.

    Raises:
        SystemExit: for a table that does not have exactly one place.
    """
    for name, file in tables.items():
        mark = rf"(<!-- results: {name} -->\n).*?(<!-- end of results -->)"
        count = len(re.findall(mark, text, flags=re.DOTALL))
        if count != 1:
            raise SystemExit(f"there are {count} places for the table {name!r}")
        if not file.exists():
            print(f"{name}: {file} is not there yet")
            continue
        table = shortened(name, file.read_text(encoding="utf-8").strip())
        text = re.sub(
            mark, lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text, flags=re.DOTALL
        )
    return text


def shortened(name: str, table: str) -> str:
    """The whole table; of one called ``..., some`` the heading and the rows of a few well-known methods."""
    if name == "study":
        # Its own headings would be the README's: those of the differences stay as a line.
        parts = table.partition("## Warnings")[0].strip().split("\n\n")
        lines = [f"{part.strip('# ')}:" if part.startswith("### ") else part for part in parts]
        return "\n\n".join(line for line in lines if not line.startswith("#"))
    if not name.endswith(", some"):
        return table
    heading, rows = table.splitlines()[:2], table.splitlines()[2:]
    return "\n".join([*heading, *(row for row in rows if any(known in row for known in KNOWN))])


def keys_table() -> str:
    """What W&B is given, as the tracker itself has it."""
    lines = ["| key | over | what |", "|---|---|---|"]
    for key in KEYS:
        lines.append(f"| `{key.pattern}` | `{key.axis}` | {key.meaning} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    (TABLES / "wandb_keys.md").write_text(keys_table(), encoding="utf-8")
    for page, tables in PLACES.items():
        page.write_text(filled(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
