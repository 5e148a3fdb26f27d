"""A comparison as text, Markdown, CSV, LaTeX and plain data: each is one function of a ``Comparison``."""

from lifelong_kd.comparison.render.data import as_data
from lifelong_kd.comparison.render.latex import as_latex
from lifelong_kd.comparison.render.markdown import as_markdown
from lifelong_kd.comparison.render.text import as_text
from lifelong_kd.comparison.render.tidy import as_csv, as_summary_csv

__all__ = ["as_csv", "as_data", "as_latex", "as_markdown", "as_summary_csv", "as_text"]
