"""The scripts of ``benchmarks`` import one another by name, as they do when they are run."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "reproductions")]
