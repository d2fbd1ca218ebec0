"""The report in a real browser: click, brush, filter, sort, copy, keys, dark mode, a phone, and axe-core."""

from __future__ import annotations

import csv
import io
import json

import pytest
from PIL import Image

from analysis.__main__ import main

from helpers.browser import AXE, DESK, PHONE, chromium, needs_axe, needs_chromium, opened, until
from helpers.fake_records import SPRITES_BETAS, mnist_sweep, sprites_sweep

pytestmark = [pytest.mark.slow, needs_chromium]
SEEDS = (0, 1)
RUNS = len(SPRITES_BETAS) * len(SEEDS)
LONG = "a" * 80


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two data sets, several groups, one run with pictures, one with a long name."""
    root = tmp_path_factory.mktemp("report")
    folders = sprites_sweep(root / "runs", seeds=SEEDS)
    mnist_sweep(root / "runs", betas=[1.0, 4.0])
    mnist_sweep(root / "runs", betas=[1.0, 4.0], latent_dim=8)
    (folders[0] / "media").mkdir()
    Image.new("L", (40, 20), 128).save(folders[0] / "media" / "samples_0009.png")
    entry = {"epoch": 9, "kind": "samples", "file": "samples_0009.png", "n": 8, "columns": 4}
    (folders[0] / "media" / "index.json").write_text(json.dumps({"pictures": [entry]}))
    path = folders[1] / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": LONG}))
    assert main(["report", str(root / "runs"), "-o", str(root / "report.html")]) == 0
    return root / "report.html"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser, report):
    with opened(browser, report) as found:
        yield found


PANEL = "#panel-0"


def names(page):
    return page.locator(f"{PANEL} button[data-run]").all_inner_texts()


def column(page, name):
    heads = page.locator(f"{PANEL} section[aria-label=Runs] thead button").all_inner_texts()
    place = next(i for i, head in enumerate(heads) if head.split(" ▲")[0].split(" ▼")[0] == name)
    return page.locator(f"{PANEL} section[aria-label=Runs] tbody tr > :nth-child({place + 1})").all_inner_texts()


def opened_run(page):
    return page.locator(f"{PANEL} .detail h2").inner_text()


def points(page):
    """Where each run stands on the screen, in the order of the traces."""
    return page.evaluate(
        """() => [...document.querySelectorAll("#panel-0 .plane .scatterlayer .trace")].flatMap((trace) => {
            const runs = trace.__data__[0].trace.customdata ?? [];
            const places = [...trace.querySelectorAll(".point")].map((point) => point.getBoundingClientRect().toJSON());
            return runs.map((run, place) => ({ run, ...places[place] }));
        })"""
    )


def middle(point):
    return point["x"] + point["width"] / 2, point["y"] + point["height"] / 2


def test_a_click_on_a_point_shows_its_run(page):
    point = points(page)[-1]
    page.mouse.move(*middle(point))
    page.wait_for_selector(f"{PANEL} .plane .hoverlayer .hovertext")
    said = page.locator(f"{PANEL} .plane .hoverlayer").text_content()
    assert all(f"{word} " in said for word in ("β", "D", "R", "I"))
    assert "collapsed" in said
    page.mouse.click(*middle(point))
    page.wait_for_selector(f"{PANEL} .detail h2")
    named = page.evaluate("JSON.parse(data.textContent).dataSets[0].runs.map((run) => run.name)")
    assert opened_run(page) == named[point["run"]]
    assert page.locator(f"{PANEL} .detail pre").inner_text().startswith("python -m vae_rd.fit --beta")
    assert page.locator(f"{PANEL} .detail .plot.curves .scatterlayer path.js-line").count() == 6
    assert page.locator(f"{PANEL} .detail .plot.small .barlayer .point").count() == 16


def test_pictures_are_shown_where_a_run_has_some(page):
    page.locator(f"{PANEL} button[data-run]").first.click()
    picture = page.locator(f"{PANEL} .detail img")
    assert picture.get_attribute("alt").startswith("samples after epoch 10, 8 images in rows of 4")
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [40, 20]


def test_a_brush_leaves_the_table_what_it_holds(page):
    places = sorted(points(page), key=lambda point: point["x"])
    chosen = places[-2:]
    left, right = (f(x for p in chosen for x in (p["x"], p["x"] + p["width"])) for f in (min, max))
    top, bottom = (f(y for p in chosen for y in (p["y"], p["y"] + p["height"])) for f in (min, max))
    inside = {p["run"] for p in places if left <= middle(p)[0] <= right and top <= middle(p)[1] <= bottom}
    page.mouse.move(left - 4, top - 4)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2, steps=4)
    page.mouse.move(right + 4, bottom + 4, steps=4)
    page.mouse.up()
    until(page, lambda: len(names(page)) == len(inside))
    assert {int(b.get_attribute("data-run")) for b in page.locator(f"{PANEL} button[data-run]").all()} == inside
    page.get_by_role("button", name="Clear selection").click()
    assert len(names(page)) == RUNS


def test_filters_leave_out_runs_and_points(page):
    page.locator(f"{PANEL} select[data-field=seed]").select_option(label="1")
    assert set(column(page, "seed")) == {"1"}
    assert len(points(page)) == len(names(page)) == len(SPRITES_BETAS)
    page.locator(f"{PANEL} input[data-end=beta-least]").fill("2")
    assert {float(beta) for beta in column(page, "β")} == {beta for beta in SPRITES_BETAS if beta >= 2}
    page.locator(f"{PANEL} .filters button").click()
    assert len(points(page)) == len(names(page)) == RUNS


def test_a_column_sorts_the_rows_by_its_numbers(page):
    head = page.locator(f"{PANEL} thead button[data-column='D + R']")
    for direction, is_down in (("ascending", False), ("descending", True)):
        head.click()
        assert page.locator(f"{PANEL} th[aria-sort]").get_attribute("aria-sort") == direction
        values = [float(text.split(" ±")[0].replace("−", "-")) for text in column(page, "D + R")]
        assert values == sorted(values, reverse=is_down)


def copied(page, what):
    page.get_by_role("button", name=f"Copy {what}", exact=True).click()
    until(page, lambda: page.locator("#status").text_content().endswith(f"of {what} copied"))
    return page.evaluate("navigator.clipboard.readText()")


def test_what_is_copied_are_the_rows_that_are_shown(page):
    page.locator(f"{PANEL} select[data-field=seed]").select_option(label="0")
    rows = list(csv.DictReader(io.StringIO(copied(page, "CSV"))))
    assert [float(row["beta"]) for row in rows] == sorted(SPRITES_BETAS)
    assert {row["seed"] for row in rows} == {"0"}
    markdown, latex = copied(page, "Markdown").splitlines(), copied(page, "LaTeX").splitlines()
    assert len(markdown) == 2 + len(rows)
    assert latex[0].startswith(r"\begin{tabular}{rr")
    assert latex[2].startswith(r"$\beta$ & seed & $D$ & $R$")
    assert len(latex) == 6 + len(rows)
    assert latex[4].count("&") == markdown[0].count("|") - 2


def test_all_is_reached_by_keys(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(f"{PANEL} .scroll[aria-label='Table of runs']").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('button[data-run]')"):
            break
    page.keyboard.press("ArrowDown")
    second = names(page)[1]
    assert page.evaluate("document.activeElement.textContent") == second
    page.keyboard.press("Enter")
    assert opened_run(page) == second
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.locator(f"{PANEL} .detail button").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == second
    assert page.locator(f"{PANEL} button[data-run][tabindex='0']").count() == 1


def test_data_sets_have_tabs(page):
    page.locator("#tab-0").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#panel-0").is_hidden()
    assert page.locator("#panel-1 button[data-run]").count() == 4
    assert page.locator("#panel-1 .plane .legend").text_content().count("latent dim") == 2


def test_dark_and_light_go_by_the_system_until_the_button_is_pressed(browser, report):
    grounds = []
    for scheme in ("light", "dark"):
        with opened(browser, report, scheme=scheme) as page:
            before = page.evaluate("getComputedStyle(document.body).backgroundColor")
            page.locator("#theme").click()
            after = page.evaluate("getComputedStyle(document.body).backgroundColor")
            ink = page.locator(f"{PANEL} .plane .xtitle").evaluate("text => getComputedStyle(text).fill")
            assert ink == page.evaluate("getComputedStyle(document.body).color")
            grounds.append((before, after))
    assert grounds[0] == grounds[1][::-1]
    assert grounds[0][0] == "rgb(255, 255, 255)"


def test_a_phone_scrolls_down_alone(browser, report):
    with opened(browser, report, size=PHONE, touch=True) as page:
        page.locator(f"{PANEL} button[data-run]").nth(len(SEEDS)).tap()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        wide = page.evaluate(
            """() => [...document.querySelectorAll("#panel-0 *")].filter((part) => !part.closest(".scroll, svg, table")
                && part.getBoundingClientRect().right > innerWidth + 1).map((part) => part.outerHTML.slice(0, 80))"""
        )
        assert wide == []


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_that_shuts_readers_out(browser, report, scheme, size):
    with opened(browser, report, size=size, scheme=scheme) as page:
        page.locator(f"{PANEL} button[data-run]").first.click()
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run().then((result) => result.violations)")
    assert [(fault["impact"], fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
