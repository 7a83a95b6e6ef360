"""The desk behind the page: films by keys, panels that follow the points, no trust in what a browser says."""

import json
import threading
import time
from html import escape
from pathlib import Path

import numpy as np
import pytest
from known_reading import KnowingReader, make_reading

from analysis import TOO_UNCERTAIN
from cervical import NO_NECK
from config import SYMBOLS, UserError
from desk import Desk, list_examples
from editor import read_web
from inference import REFUSAL
from intake import Film
from lightbox import Lightbox
from panels import footnotes, measure_row, sections, stage_panel
from reader import MOST_WAITING, Reader, without_folders
from words import SAYS_NOTHING, say

FILM = Film("film", np.zeros((2400, 1935), np.uint8), 0.1)


@pytest.fixture
def desk():
    return Desk(KnowingReader(), 30)


def lay_on(desk, film=FILM):
    key = desk.lightbox.put(film)
    desk.find_points({"key": key})
    return key


# --- lightbox -------------------------------------------------------------------------------------------------------


def test_the_lightbox_forgets_by_count_memory_and_age():
    now = [0.0]
    box = Lightbox(most_films=3, most_bytes=50, longest_seconds=100, clock=lambda: now[0])
    small = Film("s", np.zeros((2, 5), np.uint8), None)
    keys = [box.put(small) for _ in range(3)]
    box.get(keys[0])  # used again, so the second is now the longest unused
    keys.append(box.put(small))
    assert set(box.films) == {keys[0], keys[2], keys[3]}
    large = box.put(Film("l", np.zeros((1, 60), np.uint8), None))
    assert list(box.films) == [large], "the newest stays, even alone above the limit"
    now[0] = 101.0
    with pytest.raises(UserError, match="open it again"):
        box.get(large)
    assert not box.films


def test_the_lightbox_sweeps_when_no_one_asks():
    box = Lightbox(longest_seconds=0.01)
    box.start_sweeping(every_seconds=0.02)
    box.put(FILM)
    deadline = time.monotonic() + 5
    while box.films and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not box.films


def test_no_one_reaches_a_film_without_its_key(desk):
    key = lay_on(desk)
    assert len(key) >= 24 and key != lay_on(desk)
    for wrong in ("", "film", key[:-1], None, 3, ["x"], {"key": key}):
        with pytest.raises(UserError, match="put away"):
            desk.measure({"key": wrong})
    desk.close_film({"key": key})
    with pytest.raises(UserError, match="put away"):
        desk.measure({"key": key})


# --- reader ---------------------------------------------------------------------------------------------------------


def test_weights_that_are_not_there_are_said_to_everyone_who_asks(tmp_path):
    reader = Reader(lambda: [tmp_path / "none.safetensors"], "cpu")
    reader.start()
    with pytest.raises(UserError, match=r"none\.safetensors cannot be read"):
        reader.read(FILM)
    told = [Desk(reader, 30).model_status({"language": language})["problem"] for language in ("en", "ko")]
    assert reader.state == "failed" and told[0].startswith("The models could not be loaded. none.safetensors cannot be")
    assert told[1].startswith("모델을 불러오지 못했습니다. none.safetensors")
    assert str(tmp_path.parent) not in "".join(told) and "/" not in told[0], "where files lie is no one's business"


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("/srv/my models/a.st is damaged; restore it.", "a.st is damaged; restore it."),
        ("/srv/my models/a.st needs /opt/b/c.st and/or x.", "a.st needs c.st and/or x."),
        ("C:\\Users\\muster\\a.st is empty.", "a.st is empty."),
        (
            "https://hub.example/owner/model shows you no owner/model.",
            "https://hub.example/owner/model shows you no owner/model.",
        ),
        ("It holds 3 / 4 of them.", "It holds 3 / 4 of them."),
    ],
)
def test_where_files_lie_is_not_told(sentence, shown):
    assert without_folders(sentence, [Path("/srv/my models"), Path()]) == shown


def test_too_many_films_at_once_are_turned_away():
    gate = threading.Event()

    def find_weights():
        gate.wait(20)
        raise UserError("gone")

    reader = Reader(find_weights)
    reader.start()  # until the gate opens, everyone waits
    for _ in range(MOST_WAITING):
        threading.Thread(target=lambda: pytest.raises(UserError, reader.read, FILM), daemon=True).start()
    deadline = time.monotonic() + 5
    while reader.waiting < MOST_WAITING and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(UserError, match="try again"):
        reader.read(FILM)
    busy = Desk(reader, 30)
    with pytest.raises(UserError, match="try again"):
        busy.open_bytes(b"not even looked at", "film.png")
    with pytest.raises(UserError, match="try again"):
        busy.open_example(list_examples()[0]["name"])
    assert not busy.lightbox.films
    gate.set()
    while reader.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert reader.waiting == 0


# --- points from a file ---------------------------------------------------------------------------------------------


def annotation(points_px: dict) -> str:
    """An annotation file's text."""
    landmarks = [{"symbol": symbol, "value": {"x": x, "y": y}} for symbol, (x, y) in points_px.items()]
    return json.dumps({"ceph_id": "film", "landmarks": landmarks})


def test_loaded_points_are_the_users_where_they_are_not_the_models(desk):
    key, reading = lay_on(desk), make_reading()
    own = {
        symbol: [round(float(at), 3) for at in place] for symbol, place in zip(SYMBOLS, reading.points_px, strict=True)
    }
    moved = own | {"A": [own["A"][0] + 0.5, own["A"][1]]}
    assert desk.load_points({"key": key, "text": annotation(own)}) == {"edits": {}, "count": len(own)}
    answer = desk.load_points({"key": key, "text": annotation(moved)})
    assert answer == {"edits": {"A": moved["A"]}, "count": len(moved)}


# --- questions ------------------------------------------------------------------------------------------------------


def test_a_moved_point_changes_what_rests_on_it(desk):
    key = lay_on(desk)
    question = {"key": key, "pixel_size_mm": 0.1}
    before, after = desk.measure(question), desk.measure(question | {"edits": {"A": [1500.0, 1100.0]}})
    assert 'data-measure="SNA"' in before["measures"] and before != after
    assert "✎" in after["measures"] and "✎" not in before["measures"]
    moved = make_reading().corrected({"A": (1500.0, 1100.0)}).measurements()["SNA"]["value"]
    assert f"{moved:.1f}°" in after["measures"]
    assert desk.measure(question) == before, "nothing of an edit stays behind"


def test_lengths_need_a_scale_and_the_page_says_so(desk):
    key = lay_on(desk)
    without, scaled = desk.measure({"key": key}), desk.measure({"key": key, "pixel_size_mm": 0.1})
    assert 'data-measure="Wits"' in scaled["measures"] and 'data-measure="Wits"' not in without["measures"]
    assert "No pixel size is known" in without["warnings"] and "to-scale" in without["warnings"]
    assert scaled["warnings"] == ""
    doubted = desk.measure({"key": key, "pixel_size_mm": 0.3})["warnings"]
    assert "check S, N and the pixel size" in doubted and "to-scale" in doubted
    assert "픽셀 크기" in desk.measure({"key": key, "pixel_size_mm": 0.01, "language": "ko"})["warnings"]


@pytest.mark.parametrize(
    "part",
    [
        {"edits": {"Z": [1, 1]}}, {"edits": {"A": [1]}}, {"edits": {"A": [float("nan"), 1]}},
        {"edits": {"A": ["1", 1]}},
        {"edits": {"A": [True, 1]}}, {"edits": {"A": [1e300, 1]}}, {"edits": {"A": [-1, 1]}}, {"edits": [1]},
        {"edits": {"A": None}}, {"edits": {str(n): [1, 1] for n in range(40)}}, {"pixel_size_mm": 0},
        {"pixel_size_mm": "0.1"}, {"pixel_size_mm": float("inf")}, {"pixel_size_mm": True}, {"pixel_size_mm": 50},
    ],
)  # fmt: skip
def test_questions_no_page_asks_are_refused(desk, part):
    key = lay_on(desk)
    with pytest.raises(UserError):
        desk.measure({"key": key, **part})


@pytest.mark.parametrize("part", [{"norm_set": "<b>"}, {"norm_set": ["x"]}, {"language": "xx"}, {"language": {}}])
def test_unknown_choices_fall_back(desk, part):
    key = lay_on(desk)
    assert desk.measure({"key": key} | part) == desk.measure({"key": key})


def test_norm_sets_can_be_chosen(desk):
    question = {"key": lay_on(desk), "pixel_size_mm": 0.1}
    men, women = (desk.measure(question | {"norm_set": name})["measures"] for name in ("Men", "Women"))
    assert "McNamara men" in men and "McNamara women" in women and "McNamara women" not in men


# --- panels ---------------------------------------------------------------------------------------------------------


def test_every_measurement_shows_value_norm_source_and_for_whom():
    reading = make_reading()
    html = sections(reading)["measures"]
    table = reading.measurements()
    for name, row in table.items():
        assert f'data-measure="{name}"' in html and row["source"] in html
    assert html.count("<svg") == len(table) and html.count('class="interval"') == len(table)
    assert "chosen for good faces" in html and "†" in html


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_measurement_that_says_nothing_is_said_in_words(language):
    words = say(TOO_UNCERTAIN, language)
    assert words not in sections(make_reading(radius_px=1.0), language=language)["measures"]
    reading = make_reading(radius_px=40.0)
    unsure = sum(row["level"] == "unsure" for row in reading.measurements().values())
    panel = sections(reading, language=language)["measures"]
    assert panel.count(f'<span class="reading">{words}</span>') == panel.count('<tr class="unsure"') == unsure > 10
    assert say(f"Too uncertain to read: {unsure}.", language) in panel
    assert escape(say(SAYS_NOTHING, language)) in panel


def test_every_level_has_its_colour():
    levels = {row["level"] for radius in (1.0, 40.0) for row in make_reading(radius_px=radius).measurements().values()}
    style = read_web("editor.css")
    assert "unsure" in levels and all(f".{level} {{ --level: " in style for level in levels)


def test_a_sign_is_explained_only_where_it_stands():
    table = make_reading(radius_px=40.0).measurements()
    unsure = {name: row for name, row in table.items() if row["level"] == "unsure"}
    assert "<b>?</b>" in footnotes(table, "en") and "<b>?</b>" not in footnotes(unsure, "en")


def test_panels_escape_what_comes_from_outside():
    evil = "<script>alert(1)</script>"
    html = "".join(sections(make_reading(warnings=[evil])).values())
    assert evil not in html and "&lt;script&gt;" in html


def test_a_refused_picture_says_so_and_measures_nothing():
    nothing = np.full(29, np.nan)
    reading = make_reading(
        pixel_size_mm=None, points_px=np.full((29, 2), np.nan), confidence=nothing, warnings=[REFUSAL],
        taught_by=("",) * len(SYMBOLS),
    )  # fmt: skip
    panels = sections(reading)
    assert REFUSAL in panels["warnings"] and "to-scale" not in panels["warnings"]
    assert REFUSAL in stage_panel(reading), "not that these weights read no neck, which they do"
    assert "without points" in panels["measures"]


@pytest.mark.parametrize(("x", "drawn"), [(0.0, "circle"), (900.0, "path"), (-900.0, "path")])
def test_a_value_beyond_its_picture_is_an_arrow(x, drawn):
    reading = make_reading()
    point = tuple(reading.points_px[SYMBOLS.index("A")] + [x, 0.0])
    row = measure_row("SNA", reading.corrected({"A": point}).measurements()["SNA"], "en")
    assert f'<{drawn} class="dot"' in row


def test_the_stage_or_why_there_is_none():
    assert "do not read the neck" in stage_panel(make_reading())
    assert "are not to be seen" in stage_panel(make_reading(warnings=[NO_NECK]))
    html = stage_panel(make_reading(stage=3, stage_probabilities=np.array([0, 0.1, 0.7, 0.2, 0, 0])))
    assert "stage 3" in html and "70 %" in html and html.count('class="chosen"') == 1
