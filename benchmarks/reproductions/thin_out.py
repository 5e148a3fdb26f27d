"""Copy the first N training images of each class of an image folder, and its test images, into a smaller folder.

    python benchmarks/reproductions/thin_out.py CIFAR10 FOLDER --each 500 --test 100

CIFAR10 has ``train/<class>/`` and ``test/<class>/``; FOLDER must not exist yet.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--each", type=int, default=500, help="training images of each class")
    parser.add_argument("--test", type=int, default=100, help="test images of each class")
    words = parser.parse_args()
    for split, count in (("train", words.each), ("test", words.test)):
        classes = sorted(path for path in (words.source / split).iterdir() if path.is_dir())
        if not classes:
            raise SystemExit(f"{words.source / split} has no folders of classes")
        for folder in classes:
            place = words.target / split / folder.name
            place.mkdir(parents=True)
            for image in sorted(folder.iterdir())[:count]:
                shutil.copy2(image, place / image.name)


if __name__ == "__main__":
    main()
