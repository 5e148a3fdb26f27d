"""The figure of accuracy against size and time, teacher and student in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.canvas import new_figure, save
from lifelong_kd.evaluation.compression import Measured
from lifelong_kd.evaluation.plots import COLOURS

__all__ = ["plot_compression"]

PANELS = (("bytes", "bytes"), ("latency_1_ms", "CPU ms, batch of 1"))


def plot_compression(
    networks: Sequence[Measured], path: Path | str, *, title: str = "What a smaller network costs"
) -> Path:
    """Average accuracy against bytes and against CPU latency, a point a network, both logarithmic; returns the path.

    Args:
        networks: the student first; those that know no task are left out.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: if none knows a task.
    """
    shown = [
        (number, network, network.average)
        for number, network in enumerate(networks)
        if network.average is not None
    ]
    if not shown:
        raise BadCall("there is no network with an accuracy to plot.")
    figure, axes = new_figure(9.0, 4.0)
    axes.remove()
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for panel, (cost, label) in zip(panels, PANELS, strict=True):
        for number, network, accuracy in shown:
            panel.plot(
                [network.costs[cost]],
                [100 * accuracy],
                marker="o" if number == 0 else "s",
                markersize=9,
                linestyle="",
                color=COLOURS[number % len(COLOURS)],
                label=network.name,
            )
        panel.set(xlabel=label, xscale="log")
        panel.margins(x=0.25, y=0.25)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("average accuracy over the tasks that it knows (%)")
    panels[0].legend()
    figure.suptitle(title)
    return save(figure, path)
