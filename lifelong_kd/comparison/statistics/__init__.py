"""Statistics over seeds: intervals, paired tests, Holm's correction, ranks; numbers in, numbers out."""

from lifelong_kd.comparison.statistics.family import Verdict, holm, judge
from lifelong_kd.comparison.statistics.intervals import (
    Bounds,
    Interval,
    bootstrap_interval,
    fewest_values,
    t_interval,
)
from lifelong_kd.comparison.statistics.paired import (
    TESTS,
    PairedTest,
    least_p,
    paired_differences,
    paired_test,
    pairs_needed,
)
from lifelong_kd.comparison.statistics.ranks import Ranks, average_ranks, critical_difference

__all__ = [
    "TESTS",
    "Bounds",
    "Interval",
    "PairedTest",
    "Ranks",
    "Verdict",
    "average_ranks",
    "bootstrap_interval",
    "critical_difference",
    "fewest_values",
    "holm",
    "judge",
    "least_p",
    "paired_differences",
    "paired_test",
    "pairs_needed",
    "t_interval",
]
