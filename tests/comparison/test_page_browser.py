"""The page in a real browser: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.comparison.page import write_page
from lifelong_kd.comparison.plots import draw
from lifelong_kd.comparison.types import Comparison
from tests.comparison.made import SHOWN, made_comparison, made_row, made_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium, chromium-browser or google-chrome"
)
CLASS = "split_mnist class"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = made_comparison()
    first = replace(made, rows=made.rows[:3], differences=made.differences[:4], varying={})
    path = tmp_path_factory.mktemp("page") / "compare.html"
    return write_page(made, path, "lifelong-kd compare runs", pictures=draw(first)).as_uri()


class Shown:
    """A page in a window, with everything that it said and asked for."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.window = browser.new_page(**options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.window.on("console", lambda message: self.said.append(message.text))
        self.window.on("pageerror", lambda error: self.said.append(str(error)))
        self.window.on("request", lambda request: self.asked.append(request.url))
        self.window.goto(address)

    def column(self, table: str, key: str) -> list[str]:
        """The cells of a column, those that are to be seen, from top to bottom."""
        cells: list[str] = self.window.evaluate(
            """([id, key]) => {
                const table = document.getElementById(id);
                const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.dataset.key === key);
                const rows = [...table.tBodies[0].rows].filter((row) => row.getClientRects().length);
                return rows.map((row) => row.cells[at].textContent);
            }""",
            [table, key],
        )
        return cells

    def sort(self, table: str, key: str) -> None:
        self.window.click(f"#{table} th[data-key='{key}'] button")

    def order(self, table: str, key: str) -> str | None:
        found: str | None = self.window.get_attribute(f"#{table} th[data-key='{key}']", "aria-sort")
        return found

    def await_address(self, part: str) -> str:
        self.window.wait_for_function("part => location.hash.includes(part)", arg=part, timeout=5000)
        return str(self.window.url)

    def width(self) -> tuple[int, int]:
        """Of the whole page and of the window."""
        element = "document.documentElement"
        return self.window.evaluate(f"{element}.scrollWidth"), self.window.evaluate(f"{element}.clientWidth")


@pytest.fixture
def shown(browser: Any, address: str) -> Iterator[Shown]:
    page = Shown(browser, address)
    yield page
    page.window.close()
    assert page.said == []


def test_it_loads_without_a_word_and_without_a_network(shown: Shown, address: str) -> None:
    assert shown.asked == [address]
    assert shown.window.title() == "Comparison: 30 runs of 5 configurations on 2 streams"
    assert shown.window.is_visible("#search") and shown.window.inner_text("#shown") == "50 rows"
    # The pictures are there: a plot has a size and a heat map's cells are decoded.
    sizes = shown.window.evaluate("[...document.querySelectorAll('svg')].map((svg) => svg.clientHeight)")
    assert len(sizes) == 7 and min(sizes) > 50
    assert (
        shown.window.evaluate(
            "Promise.all([...document.querySelectorAll('image')].map((image) => {"
            " const copy = new Image(); copy.src = image.href.baseVal; return copy.decode().then(() => true); }))"
        )
        == [True] * shown.window.locator("image").count()
    )


def test_its_policy_stops_what_would_go_out(browser: Any, address: str) -> None:
    page = Shown(browser, address)
    refused = page.window.evaluate("fetch('http://127.0.0.1:9/').then(() => false, () => true)")
    page.window.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    assert refused and page.window.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in page.said)
    page.window.close()


def test_search_filters_every_table(shown: Shown) -> None:
    shown.window.fill("#search", "lwf SPLIT")
    # In the first place a row of scores and two differences; a row of settings; five runs.
    assert shown.window.inner_text("#shown") == "9 of 50 rows shown"
    assert shown.column("scores-1", "strategy") == ["lwf"] and shown.column("scores-2", "strategy") == []
    assert shown.column("runs", "run") == [f"lwf-{seed}" for seed in range(5)]
    assert shown.window.is_visible("#place-2 .none") and not shown.window.is_visible("#all-runs .none")
    shown.window.fill("#search", "no such thing")
    assert shown.window.inner_text("#shown") == "No row matches"
    assert shown.window.is_visible("#all-runs .none")
    shown.window.fill("#search", "")
    assert len(shown.column("runs", "run")) == 30


def test_numbers_are_sorted_by_value_and_what_is_missing_is_last(shown: Shown) -> None:
    shown.sort("scores-1", "forgetting")
    # 9.62 is less than 73.37, though not as text.
    assert shown.column("scores-1", "strategy") == ["derpp", "lwf", "finetune"]
    assert shown.order("scores-1", "forgetting") == "ascending"
    shown.sort("scores-1", "forgetting")
    assert shown.column("scores-1", "strategy") == ["finetune", "lwf", "derpp"]
    assert shown.order("scores-1", "forgetting") == "descending"
    shown.sort("scores-1", "strategy")
    assert shown.column("scores-1", "strategy") == ["derpp", "finetune", "lwf"]
    assert shown.order("scores-1", "forgetting") is None
    for _ in range(2):
        shown.sort("runs", "forward_transfer")
        values = shown.column("runs", "forward_transfer")
        assert all(values[:15]) and not any(values[15:])
    assert [float(value) for value in values[:15]] == sorted(map(float, values[:15]), reverse=True)


def test_a_heading_is_pressed_with_the_keyboard(shown: Shown) -> None:
    shown.window.focus("#scores-1 th[data-key='average_accuracy'] button")
    shown.window.keyboard.press("Enter")
    assert shown.order("scores-1", "average_accuracy") == "ascending"
    shown.window.keyboard.press("Space")
    assert shown.order("scores-1", "average_accuracy") == "descending"


def test_the_address_restores_search_order_and_columns(browser: Any, shown: Shown) -> None:
    shown.window.fill("#search", "split lwf")
    shown.sort("runs", "average_accuracy")
    shown.sort("runs", "average_accuracy")
    shown.window.click("#columns summary")
    shown.window.uncheck("#columns input[value='forgetting']")
    link = shown.await_address("off=forgetting")
    expected = shown.column("runs", "run")
    assert len(expected) == 5 and expected != sorted(expected)
    again = Shown(browser, link)
    assert again.window.input_value("#search") == "split lwf"
    assert again.column("runs", "run") == expected
    assert again.order("runs", "average_accuracy") == "descending"
    assert not again.window.is_visible("#runs th[data-key='forgetting']")
    # A link to a place does not lose them, another address replaces them.
    again.window.click("nav a[href='#reading']")
    assert again.window.url == link
    again.window.evaluate("location.hash = '#q=derpp-3'")
    again.window.wait_for_function("document.getElementById('search').value === 'derpp-3'")
    assert again.column("runs", "run") == ["derpp-3"] and again.order("runs", "average_accuracy") is None
    assert again.window.is_visible("#runs th[data-key='forgetting']")
    assert again.said == []
    again.window.close()


def test_columns_are_switched_and_everything_is_set_back(shown: Shown) -> None:
    before = shown.column("runs", "run")
    shown.window.click("#columns summary")
    shown.window.uncheck("#columns input[value='average_accuracy']")
    for table in ("scores-1", "scores-2", "runs"):
        heading = shown.window.locator(f"#{table} th[data-key='average_accuracy']")
        assert not heading.is_visible()
    assert shown.window.is_visible("#runs th[data-key='forgetting']")
    shown.window.keyboard.press("Escape")
    assert not shown.window.is_visible("#columns input >> nth=0")
    shown.sort("runs", "forgetting")
    shown.window.fill("#search", "lwf")
    shown.window.click("#reset")
    assert shown.window.is_visible("#runs th[data-key='average_accuracy']")
    assert shown.column("runs", "run") == before and shown.window.input_value("#search") == ""
    assert shown.order("runs", "forgetting") is None


def test_dark_where_one_likes_it_dark_and_light_on_paper(browser: Any, address: str) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = Shown(browser, address, color_scheme=scheme)
        read = "selector => getComputedStyle(document.querySelector(selector))"
        colours[scheme] = (
            page.window.evaluate(f"({read})('body').backgroundColor"),
            page.window.evaluate(f"({read})('svg text').fill"),
        )
        page.window.emulate_media(media="print")
        paper = page.window.evaluate(f"({read})('body').backgroundColor")
        assert paper == "rgb(255, 255, 255)" and not page.window.is_visible("#search")
        page.window.close()
    assert colours["light"] == ("rgb(255, 255, 255)", "rgb(27, 30, 35)")
    assert colours["dark"] == ("rgb(21, 24, 28)", "rgb(230, 232, 235)")


@pytest.mark.parametrize("width", [360, 400, 1280])
def test_only_tables_and_plots_scroll_to_the_side(browser: Any, address: str, width: int) -> None:
    page = Shown(browser, address, viewport={"width": width, "height": 800})
    whole, window = page.width()
    assert whole <= window
    page.window.close()


def test_names_stay_text(browser: Any, tmp_path: Path) -> None:
    evil = """<script>window.ran = 1</script>"><img src=x onerror="window.ran = 1">""" + "x" * 200
    run = replace(made_run(CLASS, "lwf", 0), name=evil, source=evil)
    row = replace(made_row(CLASS, "lwf", [run]), label=evil, stream=evil)
    path = write_page(
        Comparison(SHOWN, (row,), varying={evil: (evil,)}), tmp_path / "page.html", evil, pictures=()
    )
    page = Shown(browser, path.as_uri(), viewport={"width": 400, "height": 800})
    assert page.window.evaluate("window.ran") is None and page.window.locator("img").count() == 0
    assert page.column("runs", "run") == [evil]
    assert page.asked == [path.as_uri()] and page.said == []
    whole, window = page.width()
    assert whole <= window
    page.window.close()


def test_without_its_script_everything_is_there(browser: Any, address: str) -> None:
    page = Shown(browser, address, java_script_enabled=False)
    assert not page.window.is_visible("#search")
    assert page.window.locator("#runs tbody tr >> visible=true").count() == 30
    page.window.close()


def test_five_hundred_runs_stay_quick(browser: Any, tmp_path: Path) -> None:
    rows = []
    for number in range(10):
        runs = [replace(made_run(CLASS, "lwf", seed % 5), seed=seed) for seed in range(50)]
        rows.append(replace(made_row(CLASS, "lwf", runs[:5]), label=f"lwf {number}", runs=tuple(runs)))
    path = write_page(Comparison(SHOWN, tuple(rows)), tmp_path / "page.html", pictures=())
    page = Shown(browser, path.as_uri())
    spent = page.window.evaluate(
        """() => {
            const begin = performance.now();
            const search = document.getElementById("search");
            search.value = "lwf-3";
            search.dispatchEvent(new Event("input"));
            document.querySelector("#runs th[data-key='forgetting'] button").click();
            document.body.getBoundingClientRect();
            return performance.now() - begin;
        }"""
    )
    assert len(page.column("runs", "run")) == 100
    # Tens of milliseconds; a machine that does other things at the same time may need more.
    assert spent < 2000
    page.window.close()
