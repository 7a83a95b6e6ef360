"""The report: whole in one file, in the language asked for, harmless whatever a film is called, on two A4 pages."""

import base64
import datetime
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from known_reading import make_reading

from analysis import GROUPS, TOO_UNCERTAIN
from anatomy import make_anatomy
from cervical import Cervical
from config import SYMBOLS
from geometry import Letterbox
from head import HeadFrame
from norms import DEFAULT_CHOICE, NORM_CHOICES, NORM_SETS
from reading import describe_reading
from report_page import NOT_A_DEVICE, notes, report_page
from vertebra_finder import Neck
from vertebrae_geometry import measure_vertebrae
from wigglegram import across, place, wigglegram
from words import SAYS_NOTHING, say

FILM = np.full((2400, 1935), 60, dtype=np.uint8)
DATE = datetime.date(2026, 3, 1)
WORST = {
    "name": "0123456789-" * 20,
    "stage": 4,
    "stage_probabilities": np.array([0.01, 0.04, 0.15, 0.55, 0.20, 0.05]),
    "warnings": ["The face looks to the other side than usual; the film was read mirrored."] * 12,
    "weights": tuple(f"{name}.safetensors sha256:{'0123456789abcdef'}" for name in ("landmarks", "vertebrae", "cvm")),
    "scale_source": "given by the user",
}


class Texts(HTMLParser):
    """All visible texts and all tags of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.texts, self.tags, self.inside = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("style", "script") and data.strip():
            self.texts.append(data.strip())


def test_everything_is_said_once_on_the_second_sheet():
    page = report_page(make_reading(**WORST), FILM, "en", date=DATE)
    sheet = page.split('<section class="sheet">')[2]
    for name, row in make_reading().measurements().items():
        assert sheet.count(f"<tr><td>{name}") >= 1 and row["norm_set"] in sheet
    assert page.count(NOT_A_DEVICE) == 2 and "2026-03-01" in page and "One pixel is 0.1 mm." in page
    assert "vertebrae.safetensors sha256:0123456789abcdef" in page and "stage 4 or 5" in page
    assert "82 ± 2" in sheet and "28 – 36" in sheet and "nan" not in page.lower().replace("nance", "")


def test_the_page_needs_and_runs_nothing_else():
    page = Texts(report_page(make_reading(), FILM, "ko"))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "img"}
    for tag, attributes in page.tags:
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key not in ("href", "src") or value.startswith("data:image/jpeg;base64,"), (tag, key)


def test_the_film_is_in_the_page():
    film = np.zeros((1800, 1200), dtype=np.uint8)
    film[:900] = 200
    page = report_page(make_reading(), film)
    data = re.search(r"data:image/jpeg;base64,([^\"]+)", page).group(1)
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (1500, 1000) and abs(int(shown[100, 100]) - 200) < 3 and shown[1400, 100] < 3


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a&b'c", "김철수"])
def test_a_films_name_is_only_ever_text(name):
    parsed = Texts(report_page(make_reading(name=name), FILM))
    assert parsed.texts.count(name) == 2 and any(name in text for text in parsed.texts if text != name)  # and the title
    assert not {tag for tag, _ in parsed.tags} & {"script", "img"}


def test_a_korean_report_is_korean():
    reading = make_reading(**WORST | {"name": "1"}).corrected({"A": (1390.0, 1120.0)})
    english_left = set()
    published = " ".join([*(source for source, _ in NORM_SETS.values()), *NORM_SETS, *SYMBOLS, *reading.weights])
    for text in Texts(report_page(reading, FILM, "ko")).texts:
        words = set(re.findall(r"[A-Za-z]{4,}", text))
        english_left |= {word for word in words if word not in published}
    assert english_left <= {"IMPA", "FMIA", "MMPA", "APDI", "Wits", "APog", "NPog", "GoGn", "JSON", "DICOM", "Björk"}


def test_marks_tell_whose_points_a_measurement_rests_on():
    plain = report_page(make_reading(taught_by=("expert",) * 29), FILM)
    assert "†" not in plain and "✎" not in plain and "placed by the user" not in plain
    marked = report_page(make_reading().corrected({"A": (1390.0, 1120.0)}), FILM)
    assert "<td>Co-Gn†</td>" in marked and "<td>SNA✎</td>" in marked and "<td>Co-A†✎</td>" in marked
    assert "placed by the user" in marked and "taught by readers" in marked


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_says_nothing_is_said_in_words(language):
    words, meaning = say(TOO_UNCERTAIN, language), say(SAYS_NOTHING, language)
    sure = report_page(make_reading(radius_px=1.0), FILM, language)
    assert words not in sure and meaning not in sure
    table = make_reading(radius_px=40.0).measurements()
    unsure = [name for name, row in table.items() if row["level"] == "unsure"]
    assert {"Wits", "SNA"} <= set(unsure) < set(table)
    page = report_page(make_reading(radius_px=40.0), FILM, language)
    first, second = page.split('<section class="sheet">')[1:]
    assert words in first, "at a glance, too"
    assert second.count(f'<span class="unsure">{words}</span>') == len(unsure) and second.count(meaning) == 1


def test_a_sign_is_explained_only_where_it_stands():
    reading = make_reading(radius_px=40.0)
    table = reading.measurements()
    unsure = {name: row for name, row in table.items() if row["level"] == "unsure"}
    explained = ["? the interval" in notes(reading, rows, DEFAULT_CHOICE, "en") for rows in (table, unsure)]
    assert explained == [True, False]


def test_without_points_or_scale_or_stage_the_report_stays_whole():
    none = make_reading(None, points_px=np.full((29, 2), np.nan), radius95_px=np.full(29, np.nan))
    page = report_page(none, FILM)
    assert "no lengths" in page and "CVM stage" not in page and "At a glance" not in page
    assert "Co-Gn" not in report_page(make_reading(None), FILM)


@pytest.mark.parametrize("choice", NORM_CHOICES)
def test_the_chosen_norms_are_named(choice):
    page = report_page(make_reading(), FILM, "en", choice)
    assert f"Norms: {choice} (" in page


def with_neck(reading, stage: int = 3, **changes):
    """A reading with a neck below its head, and one of its C4's points off the film where that is asked for."""
    points_px = 10.0 * make_anatomy(stage, np.random.default_rng(0)).vertebrae_mm() + [700.0, 600.0]
    geometry = measure_vertebrae(points_px, np.full(13, 10.0))
    width, height = reading.film_size
    frame = HeadFrame(Letterbox((width, height), (64, 64)), np.eye(2, 3), (64, 64))
    neck = Neck(points_px, np.ones(13), np.ones(13), np.full(13, 10.0), frame, 0.1)
    cervical = Cervical(neck, 1.0, geometry, reading.stage, reading.stage_probabilities)
    return replace(reading, cervical=cervical, **changes)


def test_the_neck_is_shown_with_the_reason_in_words():
    reading = with_neck(make_reading(**WORST))
    page = report_page(reading, FILM)
    assert reading.cervical.geometry.reason in page and 'aria-label="C2-C4"' in page and "stage 4 or 5" in page
    box = re.search(r'aria-label="C2-C4".*?</svg>', page).group()
    assert box.count("<circle") == 13
    assert "오목" in report_page(reading, FILM, "ko")


def test_a_vertebra_off_the_film_is_no_point_and_no_stage_is_no_bars():
    reading = with_neck(make_reading(name="cut"))
    reading.cervical.points_px[8:] = np.nan
    page = report_page(reading, FILM)
    assert re.search(r'aria-label="C2-C4".*?</svg>', page).group().count("<circle") == 8
    assert 'class="bars"' not in page and "CVM stage" in page
    json.dumps(describe_reading(reading, "film"), allow_nan=False)


# --- wigglegram -------------------------------------------------------------------------------------------------------


def test_places_are_deviations_or_shares_of_a_range():
    table = make_reading().measurements()
    for row in table.values():
        if row["deviation"] is not None:
            assert place(row, row["value"]) == pytest.approx(row["deviation"])
        else:
            assert place(row, row["norm_low"]) == pytest.approx(-1) and place(row, row["norm_high"]) == pytest.approx(1)
        if row["level"] != "unsure":
            assert (abs(place(row, row["value"])) <= 1) == (row["level"] == "normal")
    assert across(-9) == across(-4) < across(0) < across(1) < across(4) == across(9)


def test_ranges_are_not_joined_to_the_zigzag():
    table = make_reading().measurements()
    names = list(GROUPS["Jaws, vertical"])
    drawn = wigglegram(table, names)
    corners = re.search(r'<polyline points="([^"]*)"', drawn).group(1).split()
    assert len(corners) == sum(table[name]["sd"] is not None for name in names) < len(names)
    assert drawn.count("<title>") == len(names) and wigglegram({}, names).count("<title>") == 0


def test_no_value_has_a_minus_before_zero():
    table = make_reading().measurements()
    table["Wits"]["value"] = -0.04
    assert "0.0 mm" in (drawn := wigglegram(table, ["Wits"])) and "−0.0" not in drawn


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", [(1935, 2400), (2400, 1500)])
def test_it_prints_to_two_a4_pages_with_nothing_cut_off(browser, language, size):
    reading = with_neck(make_reading(**WORST, film_size=size)).corrected({"A": (1390.0, 1120.0)})
    tab = browser.new_page()
    tab.set_content(report_page(reading, np.zeros(size[::-1], np.uint8), language, "Women"))
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 718, "height": 1055})  # what A4 leaves between these margins
    for clipped in tab.eval_on_selector_all(".sheet", "all => all.map(s => s.scrollHeight - s.clientHeight)"):
        assert clipped <= 0
    foots = tab.eval_on_selector_all("footer", "all => all.map(f => f.getBoundingClientRect().height)")
    assert all(height > 8 for height in foots)
    pdf = tab.pdf(prefer_css_page_size=True, print_background=True)
    tab.close()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 2
    assert b"595" in re.search(rb"/MediaBox\s*\[[^\]]*\]", pdf).group() or b"594" in pdf
