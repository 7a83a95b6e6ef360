"""The page in a real browser: films opened and refused, their scale, what is saved, many at once, the language."""

import pytest
from browsing import after, drag, open_film, place, value, zoom_of
from known_reading import make_reading

from annotations import read_landmarks
from config import LANDMARK_INDEX

TRUTH = make_reading()


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


def test_a_closed_page_takes_its_film_along(visit, film, served):
    page, films = visit(), served[0].lightbox.films
    open_film(page, film)
    newest = next(reversed(films))
    open_film(page, film)
    assert newest not in films, "opening another film puts the last one away"
    newest = next(reversed(films))
    page.goto("about:blank")
    page.wait_for_timeout(500)
    assert newest not in films
