"""Put the tables that the benchmarks wrote into the README.

python benchmarks/fill_readme.py
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLES = {
    "split_digits": HERE / "reproductions" / "results" / "split_digits.md",
    "split_mnist": HERE / "reproductions" / "results" / "split_mnist.md",
    "speed": HERE / "speed" / "results" / "split_mnist.md",
}


def main() -> None:
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name, file in TABLES.items():
        table = file.read_text(encoding="utf-8").strip()
        mark = rf"(<!-- results: {name} -->\n).*?(<!-- end of results -->)"
        text, count = re.subn(
            mark, lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"the README has {count} places for the table {name!r}")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
