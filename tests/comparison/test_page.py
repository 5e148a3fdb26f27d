from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lifelong_kd.comparison.page import write_page
from lifelong_kd.comparison.plots import Picture, draw
from lifelong_kd.comparison.types import Comparison, LeftOut, Remark, Score
from tests.comparison.made import SHOWN, made_comparison, made_row, made_run

CLASS = "split_mnist class"
VOID = {"meta", "link", "input", "img", "br", "hr"}
EVIL = """<script>alert("1")</script>'"><img src=x onerror=alert(2)>{{ 7 * 7 }} &amp; </style>"""


class Page(HTMLParser):
    """The elements of a page, its tables' cells and the text of each element by its name."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: dict[str, list[list[tuple[str, dict[str, str | None]]]]] = {}
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        self.texts.setdefault(tag, []).append("")
        if tag == "table":
            self.tables[str(dict(attrs)["id"])] = []
        elif tag == "tr":
            next(reversed(self.tables.values())).append([])
        elif tag in ("th", "td"):
            next(reversed(self.tables.values()))[-1].append(("", dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open[-1:]:
            self.texts[tag][-1] += data
        if {"th", "td"} & set(self.open):
            row = next(reversed(self.tables.values()))[-1]
            row[-1] = (row[-1][0] + data, row[-1][1])

    def rows(self, table: str) -> list[list[str]]:
        return [[text.strip() for text, _ in row] for row in self.tables[table]]

    def cell(self, table: str, row: str, column: str) -> tuple[str, dict[str, str | None]]:
        head, *body = self.tables[table]
        at = next(i for i, (_, attrs) in enumerate(head) if attrs["data-key"] == column)
        return next(line[at] for line in body if line[0][0] == row)


@pytest.fixture(scope="module")
def pictures() -> tuple[Picture, ...]:
    """The plots of the first place; those of the other would show nothing new."""
    made = made_comparison()
    return draw(replace(made, rows=made.rows[:3], differences=made.differences[:4], varying={}))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, pictures: Sequence[Picture]) -> Page:
    path = tmp_path_factory.mktemp("page") / "compare.html"
    command = "lifelong-kd compare runs --baseline finetune"
    assert write_page(made_comparison(), path, command, pictures=pictures) == path
    return Page(path)


def written(comparison: Comparison, path: Path, command: str | None = None) -> Page:
    """A page without plots."""
    return Page(write_page(comparison, path / "page.html", command, pictures=()))


def test_every_element_is_closed_and_every_id_is_one(page: Page) -> None:
    assert page.open == []
    ids = Counter(attrs["id"] for _, attrs in page.elements if "id" in attrs)
    assert [name for name, count in ids.items() if count > 1] == []
    links = [str(value) for _, attrs in page.elements for name, value in attrs.items() if name == "href"]
    inner = [link[1:] for link in links if link.startswith("#")]
    assert inner and set(inner) <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page.source)) <= set(ids)


def test_nothing_comes_from_outside(page: Page) -> None:
    for tag, attrs in page.elements:
        for name, value in attrs.items():
            if name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href"):
                assert value is not None and value.startswith(("#", "data:")), (tag, name, value)
            assert not name.startswith("on"), (tag, name)
    tags = Counter(tag for tag, _ in page.elements)
    assert not set(tags) & {"iframe", "object", "embed", "base", "form", "img"}
    assert tags["script"] == tags["style"] == 1
    assert "@import" not in page.source and not re.search(r"url\((?!#)", page.source)
    # Pictures within the plots are data, too.
    assert tags["image"] > 0 and tags["svg"] == tags["figure"] == 7
    assert "http://" not in page.source and "https://" not in page.source


def test_the_policy_lets_this_script_run_and_nothing_else(page: Page) -> None:
    policy = next(str(a["content"]) for t, a in page.elements if a.get("http-equiv"))
    digest = hashlib.sha256(page.texts["script"][0].encode("utf-8")).digest()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert rules["script-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert "connect-src" not in rules


def test_the_scores_and_what_they_are_sorted_by(page: Page) -> None:
    row = made_comparison().rows[0]
    summary = row.scores["average_accuracy"]
    assert summary.mean is not None and summary.half_width is not None
    text, attrs = page.cell("scores-1", "derpp", "average_accuracy")
    assert text == f"{100 * summary.mean:.2f} ± {100 * summary.half_width:.2f}"
    assert float(str(attrs["data-v"])) == pytest.approx(summary.mean, rel=1e-6)
    assert attrs["class"] == "best"
    text, attrs = page.cell("scores-1", "finetune", "average_accuracy")
    assert "class" not in attrs
    # Nobody has it here, so there is no column; in the other place there is.
    assert "forward transfer (%)" not in page.rows("scores-1")[0]
    assert "forward transfer (%)" in page.rows("scores-2")[0]
    assert [line[0] for line in page.rows("scores-1")] == ["strategy", "derpp", "finetune", "lwf"]


def test_the_differences(page: Page) -> None:
    lines = page.rows("differences-1")
    assert lines[0][4] == "95 % interval" and "note" not in lines[0]
    first = lines[1]
    assert first[:3] == ["derpp", "finetune", "average accuracy (%)"]
    assert first[5:] == ["5", "<0.001", "0.003", "better"]
    assert lines[4][6:] == ["0.080", "0.160", ""]
    other = page.rows("differences-2")
    assert other[0][-1] == "note" and other[3][-1] == "every difference is the same"
    assert "data-v" not in page.cell("differences-2", "lwf (temperature=4)", "p")[1]


def test_the_settings_that_differ(page: Page) -> None:
    lines = page.rows("settings")
    assert lines[0][2:] == ["strategy.temperature", "strategy.memory.capacity", "training.lr"]
    assert lines[3] == ["lwf", CLASS, "2.0", "", "0.1"]


def test_every_run_with_all_that_is_known(page: Page) -> None:
    head, *lines = page.rows("runs")
    assert len(lines) == 30
    # Known costs that no column of the comparison shows are there as well.
    assert "parameters" in head and head[-1] == "source"
    assert lines[0][:4] == ["derpp-0", "derpp", CLASS, "0"] and lines[0][-1] == "runs/derpp-0"
    assert page.cell("runs", "derpp-0", "forward_transfer") == ("", {})


def test_what_else_stands_there(page: Page) -> None:
    text = " ".join(page.texts["li"])
    assert "lwf seed 3 saw other data" in text and ": its status is failed" in text
    assert "runs/derpp-5" in page.texts["code"]
    assert "lifelong-kd compare runs --baseline finetune" in page.texts["code"]
    assert page.texts["p"][0] == "30 runs of 5 configurations on 2 streams"
    assert "paired t-test" in " ".join(page.texts["p"])
    assert "torch 2.15.0" in page.source
    assert page.texts["h2"][:3] == ["Warnings", CLASS, "permuted_mnist domain"]


def test_what_is_not_there_has_no_heading(tmp_path: Path) -> None:
    row = made_row(CLASS, "lwf", [made_run(CLASS, "lwf", 0)])
    bare = Comparison(SHOWN, (row,))
    page = written(bare, tmp_path / "new" / "folder")
    assert page.texts["h2"] == [CLASS, "Runs", "How to read it", "How it was made"]
    assert "h3" not in page.texts and "pre" not in page.texts and "svg" not in page.texts
    assert page.texts["p"][0] == "1 run of 1 configuration on 1 stream"
    assert "±" not in page.cell("scores-1", "lwf", "average_accuracy")[0]
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["page.html"]
    assert written(replace(bare, rows=()), tmp_path).texts["h2"][0] == "Runs"


def test_names_stay_text(tmp_path: Path) -> None:
    run = replace(made_run(CLASS, "lwf", 0), name=EVIL, source=EVIL, versions={EVIL: EVIL})
    row = replace(made_row(CLASS, "lwf", [run]), label=EVIL, stream=EVIL)
    comparison = Comparison(
        (*SHOWN, Score(EVIL, EVIL, "more")),
        (row,),
        varying={EVIL: (EVIL,)},
        remarks=(Remark("data", EVIL),),
        left_out=(LeftOut(EVIL, EVIL),),
    )
    page = Page(write_page(comparison, tmp_path / "page.html", EVIL))
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["script"] == tags["style"] == 1 and tags["img"] == 0 and page.open == []
    # Also in the plots' letters.
    assert "svg" in tags
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert page.rows("runs")[1][0] == EVIL and page.rows("settings")[1][2] == EVIL
    assert page.texts["h2"][1] == f"{EVIL} class"
    assert EVIL in page.texts["pre"][0] + page.texts["code"][-1]
    assert "49" not in page.rows("runs")[1][0]


def test_names_in_plots_are_not_taken_for_drawing(tmp_path: Path) -> None:
    name = 'id="a" href="#a" stroke: #000000'
    row = replace(made_row(CLASS, "lwf", [made_run(CLASS, "lwf", 0)]), label=name)
    comparison = Comparison(SHOWN, (row,))
    page = Page(write_page(comparison, tmp_path / "page.html", pictures=draw(comparison)[:1]))
    assert name in page.texts["text"]


def test_half_a_character_is_no_reason_to_fail(tmp_path: Path) -> None:
    run = replace(made_run(CLASS, "lwf", 0), source="runs/\udcff")
    page = written(Comparison(SHOWN, (made_row(CLASS, "lwf", [run]),)), tmp_path)
    assert page.rows("runs")[1][-1] == "runs/?"


def test_an_earlier_page_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = Comparison(SHOWN, (made_row(CLASS, "lwf", [made_run(CLASS, "lwf", 0)]),))
    (tmp_path / "page.html").write_text("before")

    def fail(one: object, other: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="disk is full"):
            written(comparison, tmp_path)
    assert (tmp_path / "page.html").read_text() == "before"
    first = written(comparison, tmp_path).source
    assert written(comparison, tmp_path).source == first


def test_five_hundred_runs_stay_small(tmp_path: Path) -> None:
    rows = []
    for number in range(10):
        runs = [replace(made_run(CLASS, "lwf", seed % 5), seed=seed) for seed in range(50)]
        rows.append(replace(made_row(CLASS, "lwf", runs[:5]), label=f"lwf {number}", runs=tuple(runs)))
    path = write_page(Comparison(SHOWN, tuple(rows)), tmp_path / "page.html")
    assert len(Page(path).rows("runs")) == 501
    assert path.stat().st_size < 3_000_000
