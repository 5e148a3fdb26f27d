"""Join runs that were made side by side, and write the tables.

    python benchmarks/reproductions/merge.py FOLDER [FOLDER ...] [--out FOLDER]

Each folder is one that a script with published values, such as ``three_scenarios.py``, was given as
``--out``. Without a folder
the tables are written anew from what is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import dark_experience
import generative_replay
import lwf_weights
import three_scenarios
from cells import Table
from reproduce import OUT, write_table
from store import Store


def merge(table: Table, folders: Sequence[Path], out: Path) -> str:
    """The table of all runs of ``folders`` and ``out``, which keeps them.

    Raises:
        SystemExit: if two of them do not fit.
    """
    store = Store(out / f"{table.name}.json")
    for folder in folders:
        try:
            store.join(Store(folder / f"{table.name}.json"))
        except ValueError as error:
            raise SystemExit(str(error)) from error
    store.write()
    return write_table(table, store)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=OUT)
    words = parser.parse_args()
    missing = [str(folder) for folder in words.folders if not folder.is_dir()]
    if missing:
        raise SystemExit(f"no such folder: {', '.join(missing)}")
    tables = (three_scenarios.TABLE, dark_experience.TABLE, lwf_weights.TABLE, generative_replay.TABLE)
    for table in tables:
        print(merge(table, words.folders, words.out))


if __name__ == "__main__":
    main()
