"""The page in a real browser: upload, drag, see the numbers change, save, load what was saved."""

import contextlib
import itertools
import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_demo import served, uploads  # noqa: F401 (fixtures)
from test_reading import make_reading

from annotations import read_landmarks
from config import LANDMARK_INDEX, SYMBOLS
from tracing import LINES, bezier_arms, extended, knots_of

playwright = pytest.importorskip("playwright.sync_api")

WINDOW = {"width": 1440, "height": 900}
TRUTH = make_reading()


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: the system's, or playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as player:
        try:
            browser = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("no Chromium is installed: apt-get install chromium, or playwright install chromium")
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, served):  # noqa: F811
    """Opens the page in a fresh context; anything that goes wrong in its scripts, or is asked of others, fails."""
    with contextlib.ExitStack() as stack:
        troubles = []

        def go(**settings):
            context = stack.enter_context(browser.new_context(**({"viewport": WINDOW, "locale": "en-GB"} | settings)))
            page = context.new_page()
            page.set_default_timeout(90_000)  # a busy machine is slow
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("request", lambda request: ask_of(request.url))
            page.goto(served[1])
            page.wait_for_selector(".ceph .drop h2:not(:empty)")
            return page

        def ask_of(url: str) -> None:
            if not url.startswith((served[1], "data:", "blob:")):
                troubles.append(f"asked of another machine: {url}")

        yield go
        assert not troubles


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of the size that the known points are for."""
    path = tmp_path_factory.mktemp("film") / "head 1.png"
    grey = np.tile(np.linspace(20, 220, 1935, dtype=np.uint8), (2400, 1))
    path.write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    return path


def open_film(page, path, state="points"):
    page.set_input_files(".film-file", path)
    page.wait_for_selector(f".ceph[data-state={state}][aria-busy=false]")


def set_scale(page, millimetres="0.1"):
    page.click("#ceph-tab-film")
    page.fill("[name=pixel_size_mm]", millimetres)
    after(page, lambda: page.click(".scale button[type=submit]"))
    page.click("#ceph-tab-measures")


def after(page, action):
    """Does something, and waits until the measurements that follow are shown; returns how long that took, ms."""
    before = page.evaluate("Number(document.querySelector('.ceph').dataset.measured ?? 0)")
    action()
    page.wait_for_function(f"Number(document.querySelector('.ceph').dataset.measured ?? 0) > {before}")
    return float(page.get_attribute(".ceph", "data-measured-ms"))


def value(page, name: str) -> float:
    text = page.locator(f'tr[data-measure="{name}"] .value').evaluate("cell => cell.firstChild.textContent")
    return float(text.replace("−", "-").rstrip("°% m"))


def place(page, symbol: str) -> tuple[float, float]:
    """Where a mark is, film pixels."""
    x, y = re.match(r"translate\(([-.\d]+) ([-.\d]+)\)", page.get_attribute(mark(symbol), "transform")).groups()
    return float(x), float(y)


def zoom_of(page) -> float:
    """Screen pixels per film pixel, to a hundredth."""
    return float(page.inner_text(".zoom").split()[0]) / 100


def mark(symbol: str) -> str:
    return f'.mark[data-symbol="{symbol}"]'


def middle(page, symbol: str) -> tuple[float, float]:
    """Where a mark is, in the window."""
    box = page.locator(f"{mark(symbol)} .middle").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, symbol: str, right: float, down: float) -> float:
    x, y = middle(page, symbol)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    return after(page, page.mouse.up)


def overlapping_names(page) -> list[str]:
    """Pairs of landmarks whose names cover each other."""
    page.click("[data-show=names]")
    names = page.locator(".mark .name").all()
    boxes = [(name.text_content(), name.bounding_box()) for name in names]
    page.click("[data-show=names]")

    def apart(one: dict, other: dict) -> bool:
        return any(
            one[low] + one[size] - 2 <= other[low] or other[low] + other[size] - 2 <= one[low]
            for low, size in (("x", "width"), ("y", "height"))
        )

    pairs = itertools.combinations(boxes, 2)
    return [f"{first} {second}" for (first, one), (second, other) in pairs if not apart(one, other)]


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
    after(page, lambda: page.keyboard.press("Shift+ArrowUp"))
    assert place(page, "N") == pytest.approx((start[0] + 1, start[1] - 10), abs=1e-6)
    after(page, lambda: page.keyboard.press("Delete"))
    assert place(page, "N") == start
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.dataset.symbol")
    assert focused == SYMBOLS[LANDMARK_INDEX["N"] + 1]
    page.keyboard.press("+")
    assert "Orbitale" in page.inner_text(".tip") or page.locator(".tip").inner_text()
    page.focus("#ceph-tab-measures")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#ceph-tab-wiggles", "aria-selected") == "true" and page.is_visible(".wiggle svg")


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


def test_what_is_saved_loads_again(visit, film, tmp_path):
    page = visit()
    open_film(page, film)
    drag(page, "B", -25, 5)
    moved, sna = place(page, "B"), value(page, "SNB")
    page.click("#ceph-tab-save")
    files = {}
    for kind in ("annotation", "report", "overlay", "points", "measurements", "json", "archive"):
        with page.expect_download() as download:
            page.click(f"[data-export={kind}]")
        files[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[kind])
        page.wait_for_selector(".ceph[aria-busy=false]")
    assert files["annotation"].name == "head_1.json" != files["json"].name and files["report"].stat().st_size > 20_000
    saved = read_landmarks(files["annotation"], "head_1").points_px
    assert tuple(saved[LANDMARK_INDEX["B"]]) == pytest.approx(moved, abs=1e-3)

    page = visit()
    open_film(page, film)
    assert place(page, "B") != moved
    after(page, lambda: page.set_input_files(".points-file", files["annotation"]))
    assert place(page, "B") == pytest.approx(moved, abs=1e-3) and value(page, "SNB") == sna
    assert page.locator(".mark.edited").count() == 1, "what the models placed is still theirs"
    page.set_input_files(".points-file", files["measurements"])
    page.wait_for_selector(".notice:has-text('The annotation file is not valid JSON')")


def test_lengths_come_with_a_scale_from_hand_ruler_or_file(visit, film, dicom_bytes):
    page = visit()
    open_film(page, film)
    assert page.locator('tr[data-measure="Wits"]').count() == 0
    page.click(".warnings button")  # "Set the scale"
    page.fill("[name=pixel_size_mm]", "0.1")
    after(page, lambda: page.keyboard.press("Enter"))
    page.click("#ceph-tab-measures")
    assert value(page, "Co-Gn") == pytest.approx(TRUTH.measurements()["Co-Gn"]["value"], abs=0.06)

    page.click("[data-do=ruler]")
    assert "both ends" in page.inner_text(".hint-box")
    box = page.locator(".stage").bounding_box()
    scale = zoom_of(page)
    for down in (200, 400):
        page.mouse.click(box["x"] + 300, box["y"] + down)
    page.fill("[name=ruler]", str(200 / scale * 0.3))
    after(page, lambda: page.click("[data-do=use-ruler]"))
    assert "check S, N and the pixel size" in page.inner_text(".warnings")
    assert value(page, "Co-Gn") == pytest.approx(3 * TRUTH.measurements()["Co-Gn"]["value"], rel=0.03)

    open_film(page, {"name": "x.dcm", "mimeType": "application/dicom", "buffer": dicom_bytes})
    page.click("#ceph-tab-film")
    assert page.inner_text(".film-scale") == "0.1 mm (from the DICOM file)"


def test_what_is_no_film_gets_one_sentence_and_leaves_the_last_film(visit, film):
    page = visit()
    open_film(page, film)
    page.set_input_files(".film-file", {"name": "<b>letter.pdf", "mimeType": "x/y", "buffer": b"%PDF-1.7"})
    page.wait_for_selector(".notice:has-text('is not a picture that can be read')")
    page.set_input_files(".film-file", {"name": "big.png", "mimeType": "x/y", "buffer": b"x" * 3_000_000})
    page.wait_for_selector(".notice:has-text('big.png has 3 MB, and this page takes 2 MB; read it with predict.py')")
    assert page.locator(".mark").count() == 29


@pytest.fixture
def knows_less(served):  # noqa: F811
    """The reader leaves two points out, or all; the film's own pixels are the same."""
    reader = served[0].reader
    full = reader.reading

    def leave_out(*symbols: str) -> None:
        points = full.points_px.copy()
        points[[LANDMARK_INDEX[symbol] for symbol in symbols]] = np.nan
        reader.reading = replace(full, points_px=points, warnings=["R would lie outside the film and is left out."])

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


def test_korean_by_the_browser_and_by_choice(visit, film):
    page = visit(locale="ko-KR")
    assert "사진 열기" in page.inner_text(".toolbar")
    page.wait_for_selector("button[role=tab]:has-text('여러 장')")
    open_film(page, film)
    assert "각도와 비율" in page.inner_text(".warnings")
    after(page, lambda: page.click("[data-language=en]"))
    assert "Open film" in page.inner_text(".toolbar") and "angles and ratios" in page.inner_text(".warnings")
    page.wait_for_selector("button[role=tab]:has-text('Many films')")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_many_films_are_read_into_one_archive(visit, film, tmp_path):
    page = visit()
    letter = tmp_path / "letter.png"
    letter.write_bytes(b"no film")
    page.click("button[role=tab]:has-text('Many films')")
    page.locator("input[type=file][multiple]").set_input_files([film, letter])
    page.wait_for_selector(".file-preview >> text=letter")
    page.click("button:has-text('Read all')")
    page.wait_for_selector("text=1 of 2 films read.")
    with page.expect_download() as download:
        page.click("text=Save the archive (ZIP)")
    assert download.value.suggested_filename == "films.zip"
    assert page.locator("tr.failed").count() == 1


def test_an_example_film_is_a_click_away(visit):
    page = visit()
    cards = page.locator(".example-list button")
    assert cards.count() >= 3
    cards.nth(0).click()
    page.wait_for_selector(".ceph[data-state=points][aria-busy=false]")
    page.click("#ceph-tab-film")
    assert "stated with the example" in page.inner_text(".film-scale")


def test_a_closed_page_takes_its_film_along(visit, film, served):  # noqa: F811
    page, films = visit(), served[0].lightbox.films
    open_film(page, film)
    newest = next(reversed(films))
    open_film(page, film)
    assert newest not in films, "opening another film puts the last one away"
    newest = next(reversed(films))
    page.goto("about:blank")
    page.wait_for_timeout(500)
    assert newest not in films
