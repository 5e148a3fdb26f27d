"""A comparison as one HTML file that needs nothing else."""

from lifelong_kd.comparison.page.write import write_page

__all__ = ["write_page"]
