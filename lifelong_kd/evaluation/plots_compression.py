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

ROOM = 1.6
"""Factor by which an axis goes beyond the smallest and the largest network."""


def plot_compression(
    networks: Sequence[Measured], path: Path | str, *, title: str = "What a smaller network costs"
) -> Path:
    """Average accuracy against bytes and against CPU latency (logarithmic), a point a network; returns the path.

    Args:
        networks: the student first; those that know no task are left out.
        path: where the PNG goes; written atomically.
        title: what stands above it.

    Raises:
        BadCall: if none knows a task.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    shown = [
        (number, network, network.average)
        for number, network in enumerate(networks)
        if network.average is not None
    ]
    if not shown:
        raise BadCall("there is no network with an accuracy to plot.")
    figure, axes = new_figure(10.0, 4.0)
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
        costs = [network.costs[cost] for _, network, _ in shown]
        panel.set(xlabel=label, xscale="log", xlim=(min(costs) / ROOM, max(costs) * ROOM))
        # Within a decade a logarithmic axis has no tick but those between, which would be powers of ten in words.
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.tick_params(axis="x", rotation=30)
        panel.grid(alpha=0.3)
    low = min(100 * accuracy for _, _, accuracy in shown)
    panels[0].set_ylim(max(low - max(5.0, (100 - low) / 4), 0), 101)
    panels[0].set_ylabel("accuracy on the tasks that it knows,\namong the classes that it knows (%)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle(title)
    return save(figure, path)
