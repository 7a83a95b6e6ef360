"""The page in a real browser: points are dragged, moved by keys and fingers, placed, and the numbers follow."""

import re
from dataclasses import replace

import numpy as np
import pytest
from browsing import after, drag, mark, middle, open_film, overlapping_names, place, set_scale, value, zoom_of
from known_reading import make_reading

from config import LANDMARK_INDEX, SYMBOLS
from tracing import LINES, bezier_arms, extended, knots_of

TRUTH = make_reading()


def test_a_dragged_point_changes_what_rests_on_it(visit, film):
    page = visit()
    open_film(page, film)
    assert page.locator(".mark").count() == 29
    assert not overlapping_names(page)
    expected = TRUTH.measurements()
    assert value(page, "SNA") == pytest.approx(expected["SNA"]["value"], abs=0.06)
    start = place(page, "A")
    assert start == pytest.approx(tuple(TRUTH.points_px[LANDMARK_INDEX["A"]]), abs=1e-3)

    scale = page.evaluate("document.querySelector('.stage').clientHeight") / 2400
    drag(page, "A", 30, 12)
    moved = place(page, "A")
    assert moved == pytest.approx((start[0] + 30 / scale, start[1] + 12 / scale), abs=1.5)
    corrected = TRUTH.corrected({"A": moved}).measurements()
    for name in ("SNA", "ANB", "Convexity"):
        assert value(page, name) == pytest.approx(corrected[name]["value"], abs=0.06) != expected[name]["value"]
    assert value(page, "SNB") == pytest.approx(expected["SNB"]["value"], abs=0.06)
    assert "edited" in page.get_attribute(mark("A"), "class")
    assert "placed by you" in page.get_attribute(mark("A"), "aria-label")

    after(page, lambda: page.keyboard.press("Control+z"))
    assert place(page, "A") == start and value(page, "SNA") == pytest.approx(expected["SNA"]["value"], abs=0.06)
    assert "edited" not in page.get_attribute(mark("A"), "class")


def test_rows_that_an_edit_leaves_as_they_were_are_not_laid_out_anew(visit, film):
    page = visit()
    open_film(page, film)
    page.evaluate("document.querySelectorAll('tr[data-measure]').forEach((row) => (row.old = true))")
    drag(page, "A", 30, 12)
    kept = page.evaluate("Object.fromEntries([...document.querySelectorAll('tr[data-measure]')].map((row) => "
                         "[row.dataset.measure, Boolean(row.old)]))")  # fmt: skip
    assert kept["SNB"] and kept["FMA"] and not kept["SNA"] and not kept["ANB"]


def test_zoomed_points_follow_the_hand_and_a_click_moves_nothing(visit, film):
    page = visit()
    open_film(page, film)
    (x, y), before = middle(page, "S"), zoom_of(page)
    page.mouse.move(x, y)
    for _ in range(6):
        page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    zoom, shown = zoom_of(page), middle(page, "S")
    assert zoom > 1.5
    # The wheel tells whole pixels of where it is turned, so less than one is magnified.
    assert shown == pytest.approx((x, y), abs=zoom / before), "zooming keeps what is under the pointer"
    x, y = shown
    start = place(page, "S")
    page.mouse.click(x, y)
    assert place(page, "S") == start and page.is_disabled("[data-do=undo]")
    drag(page, "S", 20, -10)
    assert place(page, "S") == pytest.approx((start[0] + 20 / zoom, start[1] - 10 / zoom), abs=1.0)
    page.click("[data-do=fit]")
    assert zoom_of(page) == before


def test_everything_can_be_done_by_keyboard(visit, film):
    page = visit()
    open_film(page, film)
    set_scale(page)
    page.focus(mark("N"))
    start = place(page, "N")
    after(page, lambda: page.keyboard.press("ArrowRight"))
    assert place(page, "N") == pytest.approx((start[0] + 1, start[1]), abs=1e-6), "0.1 mm at 0.1 mm a pixel"
    assert "placed by you" in page.inner_text(".tip"), "no longer what the model was sure of"
    after(page, lambda: page.keyboard.press("Shift+ArrowUp"))
    assert place(page, "N") == pytest.approx((start[0] + 1, start[1] - 10), abs=1e-6)
    after(page, lambda: page.keyboard.press("Delete"))
    assert place(page, "N") == start
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.dataset.symbol")
    assert focused == SYMBOLS[LANDMARK_INDEX["N"] + 1]
    page.keyboard.press("+")
    assert "Orbitale" in page.inner_text(".tip")
    page.focus("#ceph-tab-measures")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#ceph-tab-wiggles", "aria-selected") == "true" and page.is_visible(".wiggle svg")


def test_the_wigglegram_follows_light_and_dark(visit, film):
    page = visit()
    open_film(page, film)
    page.click("#ceph-tab-wiggles")
    colours = """() => [getComputedStyle(document.querySelector('.wiggle text')).fill,
        getComputedStyle(document.querySelector('.ceph')).color]"""
    light = page.evaluate(colours)
    page.click(".theme")
    dark = page.evaluate(colours)
    assert light[0] == light[1] != dark[1] == dark[0]


def test_fingers_drag_points_and_pinch(visit, film):
    page = visit(viewport={"width": 820, "height": 1180}, has_touch=True)
    open_film(page, film)
    fingers = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    (x, y), start = middle(page, "Go"), place(page, "Go")
    touch("touchStart", (x + 8, y + 8))  # beside the dot
    touch("touchMove", (x + 28, y + 28))
    touch("touchMove", (x + 48, y + 8))
    after(page, lambda: touch("touchEnd"))
    scale = zoom_of(page)
    assert place(page, "Go") == pytest.approx((start[0] + 40 / scale, start[1]), abs=2.5)
    moved = place(page, "Go")
    touch("touchStart", (300, 500), (400, 500))
    touch("touchMove", (250, 500), (450, 500))
    touch("touchEnd")
    assert zoom_of(page) == pytest.approx(2 * scale, rel=0.1)
    assert place(page, "Go") == moved


def test_lines_are_those_of_the_tracing(visit, film):
    page = visit()
    open_film(page, film)
    paths = [page.locator(".line").nth(index).get_attribute("d") for index in range(len(LINES))]
    for line, path in zip(LINES, paths, strict=True):
        numbers = np.array([float(number) for number in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]).reshape(-1, 2)
        knots = knots_of(line, TRUTH.points_px)
        if line.smooth:
            rows = zip(*bezier_arms(knots), knots[1:], strict=True)
            expected = np.vstack([knots[:1], *(np.array(row) for row in rows)])
        else:
            expected = extended(knots, line.extend)
        assert numbers == pytest.approx(expected, abs=0.01), line.name


@pytest.fixture
def knows_less(served):
    """The reader leaves two points out, or all; the film's own pixels are the same."""
    reader = served[0].reader
    full = reader.reading

    def leave_out(*symbols: str) -> None:
        points = full.points_px.copy()
        points[[LANDMARK_INDEX[symbol] for symbol in symbols]] = np.nan
        reader.reading = replace(full, points_px=points, outside=("R",))

    yield leave_out
    reader.reading = full


def test_a_point_that_was_left_out_is_placed_by_the_user(visit, film, knows_less):
    knows_less("A", "R")
    page = visit()
    open_film(page, film)
    assert page.locator(".mark").count() == 27 and page.locator('tr[data-measure="SNA"]').count() == 0
    assert page.locator(".missing-list button").all_inner_texts() == ["A-point (A)", "Ramus (R)"]
    page.click(".missing-list [data-symbol=A]")
    assert "A-point (A)" in page.inner_text(".hint-box")
    x, y = middle(page, "B")  # a press on another point places all the same
    after(page, lambda: page.mouse.click(x, y))
    assert place(page, "A") == pytest.approx(place(page, "B"), abs=3) and page.is_hidden(".hint-box")
    assert "edited" in page.get_attribute(mark("A"), "class") and "✎" in page.inner_text('tr[data-measure="SNA"]')
    assert page.locator(".missing-list button").all_inner_texts() == ["Ramus (R)"]
    assert page.evaluate("document.activeElement.dataset.symbol") == "A", "arrows move it at once"

    page.focus(".missing-list button")  # by keyboard alone
    page.keyboard.press("Enter")
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.is_hidden(".missing") and "would lie outside" not in page.inner_text(".warnings")
    after(page, lambda: page.keyboard.press("Delete"))
    assert page.locator(".missing-list button").all_inner_texts() == ["Ramus (R)"]
    assert page.locator(".mark").count() == 28
    assert "would lie outside" in page.inner_text(".warnings")
    page.click(".missing-list button")
    page.keyboard.press("Escape")
    assert page.is_hidden(".hint-box")


def test_on_a_film_without_points_all_can_be_placed(visit, film, knows_less):
    knows_less(*SYMBOLS)
    page = visit()
    open_film(page, film, "refused")
    page.click(".missing summary")
    assert page.locator(".missing-list button").count() == 29
    box = page.locator(".stage").bounding_box()
    for symbol, across, down in (("S", 200, 200), ("N", 400, 180), ("A", 400, 420)):
        page.click(f".missing-list [data-symbol={symbol}]")
        after(page, lambda: page.mouse.click(box["x"] + across, box["y"] + down))  # noqa: B023
    assert value(page, "SNA") > 60 and page.locator(".mark.edited").count() == 3
    after(page, lambda: page.click("[data-do=reset-all]"))
    assert page.locator(".mark").count() == 0 and "Nothing can be measured" in page.inner_text(".measures")
