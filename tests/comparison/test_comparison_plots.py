from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lifelong_kd.comparison.plots import Picture, draw, draw_all
from lifelong_kd.comparison.plots.curves import curve_of, draw_curves
from lifelong_kd.comparison.plots.intervals import draw_differences, draw_intervals
from lifelong_kd.comparison.plots.look import looks, plain, short_labels
from lifelong_kd.comparison.plots.matrices import draw_matrices, mean_matrix
from lifelong_kd.comparison.plots.ranks import draw_ranks
from lifelong_kd.comparison.plots.scatter import draw_cost, draw_stability
from lifelong_kd.comparison.types import Comparison, Row
from lifelong_kd.core.errors import BadCall
from tests.comparison.made import made_comparison, made_row, made_run

CLASS, DOMAIN = "split_mnist class", "permuted_mnist domain"
MADE = made_comparison()
STYLES = looks(MADE)


@pytest.fixture(scope="module")
def pictures() -> tuple[Picture, ...]:
    return draw(MADE)


def with_rows(rows: Sequence[Row], **changes: Any) -> Comparison:
    return replace(MADE, rows=tuple(rows), differences=(), varying={}, **changes)


def with_matrices(*matrices: Any) -> Row:
    run = MADE.rows[0].runs[0]
    return replace(MADE.rows[0], runs=tuple(replace(run, seed=i, matrix=m) for i, m in enumerate(matrices)))


def marks(axes: Any) -> dict[str, tuple[float, float]]:
    """The means of a scatter plot by their marker."""
    return {
        line.get_marker(): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axes.lines
        if len(line.get_xdata()) == 1 and line.get_marker() in "osD^vPX*"
    }


def test_a_curve_by_hand() -> None:
    row = with_matrices(((0.8, 0.1), (0.6, 0.4)), ((1.0, 0.1), (0.8, 0.8)))
    first, second = curve_of(row)
    assert first is not None and second is not None
    # After task 0 only the first column counts: 0.8 and 1.0; after task 1 the means are 0.5 and 0.8.
    assert first.mean == pytest.approx(0.9) and second.mean == pytest.approx(0.65)
    # t(0.975, 1) = 12.7062; s / sqrt(2) of (0.5, 0.8) is 0.15.
    assert second.half_width == pytest.approx(12.7062 * 0.15, rel=1e-5)
    assert curve_of(with_matrices(())) == []


def test_a_curve_leaves_out_what_is_not_known() -> None:
    row = with_matrices(((0.8, 0.0), (None, 0.4)), ((0.6, 0.0), (0.4, 0.4)), ((1.0,),))
    first, second = curve_of(row)
    assert first is not None and first.mean == pytest.approx(0.8) and first.count == 3
    assert second is not None and second.mean == pytest.approx(0.4) and second.count == 1


def test_a_mean_matrix_by_hand() -> None:
    found = mean_matrix(with_matrices(((0.8, None), (0.6, 0.4)), ((1.0, None),)))
    assert found is not None
    np.testing.assert_allclose(found, [[0.9, np.nan], [0.6, 0.4]])
    assert mean_matrix(with_matrices((), ())) is None


def test_every_plot_of_every_place(pictures: tuple[Picture, ...]) -> None:
    kinds = ["curves", "stability", "intervals", "differences", "ranks", "cost", "matrices"]
    assert [picture.name for picture in pictures] == [
        *(f"{kind}-split_mnist-class" for kind in kinds),
        *(f"{kind}-permuted_mnist-domain" for kind in kinds),
    ]
    assert {picture.place for picture in pictures} == {CLASS, DOMAIN}
    assert all("{" not in picture.caption for picture in pictures)
    assert "95 %" in pictures[0].caption


def test_files_and_their_formats(tmp_path: Path, pictures: tuple[Picture, ...]) -> None:
    saved = draw_all(MADE, tmp_path / "plots", ("png", "svg"), pictures=pictures[:2])
    assert list(saved) == [
        "curves-split_mnist-class.png",
        "curves-split_mnist-class.svg",
        "stability-split_mnist-class.png",
        "stability-split_mnist-class.svg",
    ]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(saved)
    assert saved["curves-split_mnist-class.png"].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    # The letters of an SVG stay letters, and the same plot has the same bytes.
    svg = saved["curves-split_mnist-class.svg"]
    assert ">finetune</text>" in svg.read_text(encoding="utf-8")
    assert pictures[0].rendered("svg") == svg.read_bytes()
    with pytest.raises(BadCall, match=r"no format 'pngs', only png, svg, pdf; did you mean 'png'"):
        draw_all(MADE, tmp_path, ("pngs",))


def test_one_place_needs_no_suffix_and_two_alike_are_kept_apart(tmp_path: Path) -> None:
    row = made_row(CLASS, "finetune", [made_run(CLASS, "finetune", seed) for seed in range(2)])
    one = draw_all(with_rows([row]), tmp_path)
    assert list(one) == ["curves.png", "stability.png", "intervals.png", "matrices.png"]
    bare = replace(row, scenario="", runs=tuple(replace(run, matrix=(), cost={}) for run in row.runs))
    both = with_rows([replace(bare, stream="a b"), replace(bare, stream="a/b")])
    names = [picture.name for picture in draw(both)]
    assert "intervals-a-b-1" in names and "intervals-a-b-2" in names and len(set(names)) == len(names)


def test_a_label_looks_the_same_in_all_places_and_like_no_other() -> None:
    assert list(STYLES) == ["derpp", "finetune", "lwf", "lwf (temperature=2)", "lwf (temperature=4)"]
    many = looks(with_rows([replace(MADE.rows[0], label=f"row {i}") for i in range(24)]))
    assert len({(look.colour, look.marker) for look in many.values()}) == 24
    for place, label in ((CLASS, "finetune"), (DOMAIN, "finetune")):
        figure = draw_curves(MADE, place, STYLES)
        assert figure is not None
        assert STYLES[label].colour in [line.get_color() for line in figure.axes[0].lines]


def test_curves_are_where_they_belong() -> None:
    figure = draw_curves(MADE, CLASS, STYLES)
    assert figure is not None
    lines = {line.get_color(): line for line in figure.axes[0].lines}
    expected = [100 * point.mean for point in curve_of(MADE.rows[1]) if point is not None]
    assert lines[STYLES["finetune"].colour].get_ydata() == pytest.approx(expected)
    assert list(lines[STYLES["finetune"].colour].get_xdata()) == [1, 2, 3]
    # A band a row, none for a single seed.
    assert len(figure.axes[0].collections) == 3
    single = draw_curves(with_rows([replace(MADE.rows[0], runs=MADE.rows[0].runs[:1])]), CLASS, STYLES)
    assert single is not None and not single.axes[0].collections


def test_matrices_share_a_scale_and_have_numbers_up_to_ten_tasks() -> None:
    figure = draw_matrices(MADE, CLASS, STYLES)
    assert figure is not None
    *panels, bar = figure.axes
    assert [axes.get_title() for axes in panels] == ["derpp", "finetune", "lwf"]
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 100)}
    assert "accuracy" in bar.get_xlabel()
    mean = mean_matrix(MADE.rows[2])
    assert mean is not None
    assert [text.get_text() for text in panels[2].texts] == [f"{value:.0f}" for value in (100 * mean).flat]
    large = with_rows([with_matrices(tuple((0.5,) * 11 for _ in range(11)))])
    found = draw_matrices(large, CLASS, STYLES)
    assert found is not None and not found.axes[0].texts


def test_points_of_the_scatter_plots() -> None:
    figure = draw_stability(MADE, CLASS, STYLES)
    assert figure is not None
    row = MADE.rows[0]
    learned, forgotten = row.scores["learning_accuracy"].mean, row.scores["forgetting"].mean
    assert learned is not None and forgotten is not None
    found = marks(figure.axes[0])
    assert found[STYLES["derpp"].marker] == pytest.approx((100 * learned, 100 * forgotten))
    assert len(found) == 3 and "better ↘" in [text.get_text() for text in figure.axes[0].texts]
    # Without a column for it, the score is that of the runs.
    bare = with_rows([replace(row, scores={}) for row in MADE.rows])
    figure = draw_stability(bare, CLASS, STYLES)
    assert figure is not None
    assert marks(figure.axes[0])[STYLES["derpp"].marker] == pytest.approx((100 * learned, 100 * forgotten))


def spread(factor: float) -> Comparison:
    """Three rows, the last of which took ``factor`` times as long as the first."""
    rows = [
        replace(row, scores={}, runs=tuple(replace(run, cost={"training_seconds": time}) for run in row.runs))
        for row, time in zip(MADE.rows[:3], (10.0, 10.0 * factor, 10.0 * factor), strict=True)
    ]
    return with_rows(rows)


def test_a_cost_is_logarithmic_beyond_ten_times() -> None:
    for factor, scale in ((9.0, "linear"), (11.0, "log")):
        figure = draw_cost(spread(factor), CLASS, STYLES)
        assert figure is not None and len(figure.axes) == 1
        assert figure.axes[0].get_xscale() == scale
        assert figure.axes[0].get_xlabel() == "training time (s)"
    assert draw_cost(spread(1.0), CLASS, STYLES) is None


def test_every_cost_that_differs_has_a_panel() -> None:
    rows = [
        replace(row, runs=tuple(replace(run, cost={**run.cost, "parameters": size}) for run in row.runs))
        for row, size in zip(MADE.rows[:3], (89_610, 179_220, 89_610), strict=True)
    ]
    figure = draw_cost(with_rows(rows), CLASS, STYLES)
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes] == ["training time (min)", "parameters"]


def test_intervals_have_a_panel_a_known_score() -> None:
    figure = draw_intervals(MADE, CLASS, STYLES)
    assert figure is not None
    # Nobody has a forward transfer in this place.
    assert len(figure.axes) == 6
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["derpp", "finetune", "lwf"]
    assert axes.get_title() == "more is better" and axes.get_xlabel() == "average accuracy (%)"
    mean = MADE.rows[1].scores["average_accuracy"].mean
    assert mean is not None
    assert marks(axes)[STYLES["finetune"].marker] == pytest.approx((100 * mean, 1))


def test_differences_are_filled_where_they_are_claimed() -> None:
    figure = draw_differences(MADE, CLASS, STYLES)
    assert figure is not None
    forgetting = figure.axes[1]
    faces = {
        line.get_marker(): line.get_markerfacecolor()
        for line in forgetting.lines
        if line.get_marker() in ("o", "D")
    }
    assert faces == {"o": STYLES["derpp"].colour, "D": "white"}
    assert (
        "forgetting minus that of finetune" in forgetting.get_xlabel() and "points" in forgetting.get_xlabel()
    )


def test_ranks_need_three_rows_and_three_seeds() -> None:
    figure = draw_ranks(MADE, CLASS, STYLES)
    assert figure is not None
    texts = [text.get_text().strip() for text in figure.axes[0].texts]
    # derpp is the best and finetune the worst at every seed.
    assert "derpp  1.00" in texts and "lwf  2.00" in texts and "3.00  finetune" in texts
    # q(0.05, 3) = 2.343701, so CD = 2.343701 * sqrt(3 * 4 / (6 * 5)) = 1.48
    assert "over 5 seeds, CD = 1.48" in figure.axes[0].get_title()
    assert draw_ranks(with_rows(MADE.rows[:2]), CLASS, STYLES) is None
    few = [replace(row, runs=row.runs[:2]) for row in MADE.rows[:3]]
    assert draw_ranks(with_rows(few), CLASS, STYLES) is None


def test_what_is_missing_is_left_out() -> None:
    runs = [replace(made_run(CLASS, "lwf", 0), matrix=(), cost={}, scores={"average_accuracy": 0.5})]
    bare = with_rows([made_row(CLASS, "lwf", runs)])
    assert [picture.name for picture in draw(bare)] == ["intervals"]
    nothing = with_rows([made_row(CLASS, "lwf", [replace(runs[0], scores={})])])
    assert draw(nothing) == ()
    assert draw(replace(nothing, rows=())) == ()


def test_labels_are_text_of_one_line_and_never_the_same() -> None:
    assert plain("a $x^2$\nb") == r"a \$x^2\$ b"
    rows = [
        replace(MADE.rows[0], label=label) for label in ("lwf", "x" * 50 + "1", "x" * 50 + "2", "ewc (a=1)")
    ]
    short = short_labels(rows)
    assert short[0] == "lwf" and short[3] == "ewc (a=1)"
    assert short[1] != short[2] and all(len(label) <= 36 for label in short)


@pytest.mark.parametrize(
    "label", ["_hidden", "cost $x^2$ and $", r"back\slash{}%&", "a\nb", "<b>&amp;", "été 日本"]
)
def test_odd_names_are_drawn_as_they_are(label: str) -> None:
    row = replace(MADE.rows[0], label=label)
    odd = with_rows([row, *MADE.rows[1:3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = draw(odd)[0].rendered("svg").decode("utf-8")
    escaped = label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    assert escaped in re.findall(r">([^<>]*)</text>", svg)


@pytest.mark.parametrize(("rows", "tasks", "seeds"), [(2, 1, 1), (15, 20, 2)])
def test_few_and_many(rows: int, tasks: int, seeds: int) -> None:
    """Nothing warns of a lack of room, and everything has its place within the figure."""
    made = []
    for number in range(rows):
        matrix = [
            [900 - 10 * number if j <= i else 0 for j in range(max(tasks, 2))] for i in range(max(tasks, 2))
        ]
        runs = [made_run(CLASS, "lwf", seed, matrix) for seed in range(seeds)]
        runs = [replace(run, matrix=tuple(line[:tasks] for line in run.matrix[:tasks])) for run in runs]
        made.append(replace(made_row(CLASS, "lwf", runs), label=f"strategy {number} with (an option)"))
    for picture in draw(with_rows(made)):
        picture.figure.draw_without_rendering()
        width, height = picture.figure.get_size_inches()
        assert width < 14 and height < 14, picture.name
        box = picture.figure.get_tightbbox()
        assert box.x0 > -0.02 and box.y0 > -0.02, picture.name
        assert box.x1 < width + 0.02 and box.y1 < height + 0.02, picture.name
