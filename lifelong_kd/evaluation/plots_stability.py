"""Figure of the accuracy on earlier tasks while later ones are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import new_figure, save
from lifelong_kd.evaluation.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_stability_gap"]


def plot_stability_gap(
    traces: Mapping[int, tuple[Sequence[float], Sequence[float]]],
    switches: Sequence[float],
    path: Path | str,
    *,
    title: str = "Earlier tasks while later ones are learned",
) -> Path:
    """The accuracy of each earlier task over the iterations of the run, the task switches marked; returns the path.

    More tasks than colours are drawn pale, with their mean over them.

    Args:
        traces: iterations of the run and accuracies, by earlier task; from where a task's begin, all are of the
            same iterations.
        switches: the iteration at which each task begins, the first one's included.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: if there is no trace.
    """
    if not any(len(values) for _, values in traces.values()):
        raise BadCall("the stability gap is seen from the second task on; there is nothing to plot yet.")
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    count = max(traces) + 1
    few = count <= len(COLOURS)
    # The last tenth of viridis is too pale on white.
    shades = colormaps["viridis"].resampled(max(2, round(count / 0.9)))
    figure, axes = new_figure(10.0, 4.5)
    for task, (steps, values) in sorted(traces.items()):
        axes.plot(
            steps,
            100 * np.asarray(values, dtype=np.float64),
            color=COLOURS[task] if few else shades(task),
            linewidth=1.6 if few else 0.9,
            alpha=1.0 if few else 0.45,
            label=f"task {task}" if few else None,
        )
    if not few:
        axes.plot(*_mean(traces), color="black", linewidth=2.2, label="mean of the earlier tasks")
    for switch in switches[1:]:
        axes.axvline(switch, color="#5B5B5B", linestyle=":", linewidth=1.0, zorder=0)
    end = max(float(steps[-1]) for steps, _ in traces.values() if len(steps))
    _name_tasks(axes, [*switches, max(end, switches[-1])])
    axes.set(title=title, xlabel="iteration of the run", ylabel="validation accuracy (%)", ylim=(-3, 103))
    axes.set_xlim(switches[1] - 0.03 * (end - switches[1]) if len(switches) > 1 else None, end)
    axes.grid(axis="y", alpha=0.3)
    if few:
        figure.legend(loc="outside right upper", fontsize=9)
    else:
        # Too many tasks for a legend: a bar tells them by their shade.
        norm = BoundaryNorm(np.arange(count + 1) - 0.5, count)
        shown = ScalarMappable(norm, ListedColormap([shades(task) for task in range(count)]))
        bar = figure.colorbar(shown, ax=axes, label="earlier task")
        bar.set_ticks(range(0, count, -(-count // 10)))
        bar.minorticks_off()
        figure.legend(loc="outside lower center")
    return save(figure, path)


def _mean(traces: Mapping[int, tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """Iterations and the mean accuracy of the tasks there are; the traces all end together."""
    longest, _ = max(traces.values(), key=lambda trace: len(trace[0]))
    behind = range(len(longest), 0, -1)
    means = [float(np.mean([v[-place] for _, v in traces.values() if len(v) >= place])) for place in behind]
    return list(longest), [100 * mean for mean in means]


def _name_tasks(axes: Axes, edges: Sequence[float]) -> None:
    """Above the axes, which task is learned between which switches, not all where there are many."""
    count = len(edges) - 1
    every = -(-count // 12)
    shown = range(1, count, every)
    above = axes.secondary_xaxis("top")
    above.set_ticks(
        [(edges[task] + edges[task + 1]) / 2 for task in shown],
        [f"learning {task}" if count <= 6 else str(task) for task in shown],
    )
    above.tick_params(length=0)
    if count > 6:
        above.set_xlabel("task being learned", fontsize=9)
