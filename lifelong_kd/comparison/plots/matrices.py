"""Accuracy matrices side by side."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lifelong_kd.comparison.plots.look import Look, panels, short_labels
from lifelong_kd.comparison.types import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_matrices", "mean_matrix"]

# Tasks up to which the cells have numbers, and the number of names along an axis.
NUMBERED, NAMED = 10, 10


def mean_matrix(row: Row) -> NDArray[np.float64] | None:
    """R[i][j] averaged over the runs that have it, ``nan`` where none has; None if no run has a matrix.

    Runs that learned fewer tasks count in the rows that they have.
    """
    matrices = [run.matrix for run in row.runs if run.matrix and any(run.matrix)]
    if not matrices:
        return None
    shape = (max(map(len, matrices)), max(len(line) for matrix in matrices for line in matrix))
    stack = np.full((len(matrices), *shape), np.nan)
    for number, matrix in enumerate(matrices):
        for after, line in enumerate(matrix):
            stack[number, after, : len(line)] = [np.nan if cell is None else cell for cell in line]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(stack, axis=0))


def draw_matrices(comparison: Comparison, place: str, styles: dict[str, Look]) -> Figure | None:
    """A heat map a row with one colour scale for all; None if no run has an accuracy matrix."""
    found = [
        (row, matrix)
        for row in comparison.rows
        if row.place == place and (matrix := mean_matrix(row)) is not None
    ]
    if not found:
        return None
    tasks = max(matrix.shape[1] for _, matrix in found)
    side = min(max(0.36 * tasks, 1.6), 2.9) if tasks <= NUMBERED else 2.0
    columns = max(2, int(10.5 / (side + 0.4)))
    figure, grid = panels(len(found), side + 0.55, side + 0.75, columns, sharex=True, sharey=True)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + 0.3, height + 0.7)
    labels = short_labels([row for row, _ in found], max(14, round((side + 0.5) * 10)))
    across = min(columns, len(found))
    for number, (axes, (_, matrix), label) in enumerate(zip(grid, found, labels, strict=True)):
        # Not resampled, so that it stays sharp at every size.
        image = axes.imshow(
            100 * matrix, cmap="cividis", vmin=0, vmax=100, aspect="equal", interpolation="none"
        )
        axes.set_title(label, fontsize=9)
        if tasks <= NUMBERED:
            _number(axes, 100 * matrix, 9 if tasks <= 5 else 7)
        step = -(-tasks // NAMED)
        names = range(0, tasks, step)
        axes.set_xticks(names, [str(name) for name in names], fontsize=8)
        axes.set_yticks(names, [str(name) for name in names], fontsize=8)
        # Where the last line is not full, the panels above its gaps carry the names.
        below, left = number + across >= len(found), number % across == 0
        axes.tick_params(labelbottom=below, bottom=below, labelleft=left, left=left)
        axes.set_facecolor("#dddddd")
    figure.supxlabel("test task", fontsize=10)
    figure.supylabel("after task", fontsize=10)
    figure.colorbar(
        image,
        ax=grid,
        label="accuracy (%), mean over seeds",
        location="top",
        shrink=0.6,
        aspect=40,
        # A part of the height, however many lines of panels there are.
        pad=0.15 / height,
    )
    return figure


def _number(axes: Any, values: NDArray[np.float64], size: int) -> None:
    for (after, task), value in np.ndenumerate(values):
        if np.isfinite(value):
            # A page may turn pure black into its own colour of text; on a cell the text stays as it is.
            colour = "#010101" if value > 50 else "#ffffff"
            axes.text(task, after, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=size)
