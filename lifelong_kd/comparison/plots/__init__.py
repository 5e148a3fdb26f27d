"""Plots of a comparison, one a file: curves, matrices, trade-offs, intervals, differences, ranks."""

from lifelong_kd.comparison.plots.pictures import Picture, draw, draw_all

__all__ = ["Picture", "draw", "draw_all"]
