"""The demo without a browser: one endpoint for programs, nothing else is offered, no film is left behind."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from gradio_client import Client, handle_file
from known_reading import KnowingReader, make_reading
from small_weights import make_weights

import demo
from batch import DOUBTFUL_BELOW, batch_table, read_batch, read_pixel_size
from config import SYMBOLS, UserError
from desk import EXPORTS, SCALE_SOURCES, Desk, list_examples
from editor import read_web
from inference import REFUSAL
from norms import NORM_CHOICES
from reading import describe_reading
from words import NO_SCALE, WORDS, say

ROOT = Path(demo.__file__).parent


@pytest.fixture(scope="module")
def client(served):
    return Client(served[1], verbose=False)


def write_film(folder: Path, name: str = "film.png") -> Path:
    path = folder / name
    path.write_bytes(cv2.imencode(path.suffix, np.zeros((2400, 1935), np.uint8))[1].tobytes())
    return path


def files_in(folder: Path) -> list[Path]:
    """Gradio leaves empty files behind; what counts is that nothing is in them."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


# --- programs -------------------------------------------------------------------------------------------------------


def test_a_program_gets_what_predict_writes(client, tmp_path, uploads):
    film = write_film(tmp_path)
    reading = client.predict(film=handle_file(film), pixel_size_mm=0.1, api_name="/predict")
    expected = json.loads(json.dumps(describe_reading(make_reading(), "film.png")))
    assert reading == expected and reading["landmarks"]["S"] and "Wits" in reading["measurements"]
    without = client.predict(film=handle_file(film), pixel_size_mm=None, api_name="/predict")
    assert without["pixel_size_mm"] is None and "Wits" not in without["measurements"]
    assert not files_in(uploads), "an upload stays on the disk"


@pytest.mark.parametrize(
    ("data", "pixel_size_mm", "words"),
    [(b"no film", None, "is not a picture"), (b"", None, "is empty"), (None, 7, "between 0.01 and 2 mm")],
)
def test_a_program_gets_one_sentence_for_what_cannot_be_read(client, tmp_path, uploads, data, pixel_size_mm, words):
    path = write_film(tmp_path)
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(Exception, match=words):
        client.predict(film=handle_file(path), pixel_size_mm=pixel_size_mm, api_name="/predict")
    assert not files_in(uploads)


def test_predict_is_all_that_is_offered(client):
    endpoints = client.view_api(return_format="dict")
    assert set(endpoints["named_endpoints"]) == {"/predict"} and not endpoints["unnamed_endpoints"]
    names = [each["parameter_name"] for each in endpoints["named_endpoints"]["/predict"]["parameters"]]
    assert names == ["film", "pixel_size_mm"]
    for name in ("/run", "/relabel", "/open_film", "/measure", "/export"):
        with pytest.raises(ValueError, match="Cannot find a function"):
            client.predict(api_name=name)


def post(address: str, path: str, body: dict) -> dict:
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address.rstrip('/')}/gradio_api/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def editor_id(address: str) -> int:
    with urllib.request.urlopen(f"{address.rstrip('/')}/config", timeout=20) as answer:
        parts = json.load(answer)["components"]
    return next(part["id"] for part in parts if part["props"].get("component_class_name") == "Editor")


def test_the_pages_own_actions_give_a_stranger_nothing(served):
    _, address = served
    component = editor_id(address)

    def ask(name: str, question) -> dict:
        body = {"data": question, "component_id": component, "fn_name": name, "session_hash": "stranger"}
        return post(address, "component_server", body)

    for name in ("find_points", "measure", "export", "load_points", "tell_stage"):
        for question in ({"key": "x"}, {}, {"key": None, "kind": "../../etc"}):
            assert set(ask(name, question)) == {"error"}
    for question in (None, [], "text", 3, ["a", "b"]):
        assert set(ask("measure", question)) == {"error"} == set(ask("open_film", question))
    assert set(ask("open_example", {"name": "../../etc/passwd"})) == {"error"}
    for name in ("_desk", "get_config", "postprocess", "__init__", "launch"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(name, {})


@pytest.mark.parametrize("path", ["file=/etc/passwd", "file=demo.py", f"file={ROOT / 'config.py'}", "file=../demo.py"])
def test_no_file_of_the_machine_is_served(served, path):
    with pytest.raises(urllib.error.HTTPError, match="40[34]"):
        urllib.request.urlopen(f"{served[1].rstrip('/')}/gradio_api/{path}", timeout=20)


def test_nothing_is_sent_home_and_no_history_is_kept(served):
    with urllib.request.urlopen(f"{served[1].rstrip('/')}/config", timeout=20) as answer:
        config = json.load(answer)
    assert config["analytics_enabled"] is False and not config.get("run_history")
    assert config["max_file_size"] == 2_000_000 if "max_file_size" in config else True
    with pytest.raises(urllib.error.HTTPError, match="403"):  # nor who asked what when
        urllib.request.urlopen(f"{served[1].rstrip('/')}/monitoring/summary", timeout=20)


# --- many films -----------------------------------------------------------------------------------------------------


def test_many_films_become_one_archive(tmp_path):
    films = [write_film(tmp_path, name) for name in ("a.png", "b.png")]
    broken = tmp_path / "<b>c.png"
    broken.write_bytes(b"no film")
    told = []
    results = read_batch(
        KnowingReader(), [*films, broken], tmp_path / "films.zip", 30, 0.1, "en", lambda *each: told.append(each)
    )
    assert [bool(each["error"]) for each in results] == [False, False, True] and [number for number, _ in told] == [
        0,
        1,
        2,
    ]
    names = zipfile.ZipFile(tmp_path / "films.zip").namelist()
    assert {"a/a_report.html", "b/annotations/b.json", "errors.csv"} <= set(names)
    assert not any(path.exists() for path in (*films, broken)), "an upload stays on the disk"
    html = batch_table(results)
    assert "2 of 3 films read." in html and "<b>c" not in html


def test_the_table_tells_what_to_know_of_each_film(tmp_path):
    """What a reading warns of, points in doubt, an unknown scale and a film that is none: all in the film's row."""
    confidence = np.where(np.arange(29) == SYMBOLS.index("Co"), 0.2, 0.9)
    negative = "The film is a negative; it was read as a positive."
    doubted = make_reading(confidence=confidence, warnings=[negative])
    paths = [write_film(tmp_path, "a.png")]
    results = read_batch(KnowingReader(doubted), paths, tmp_path / "films.zip", 30)
    said = [negative, "Doubtful points: Co.", NO_SCALE]
    assert results[0]["cautions"] == said and results[0]["error"] == ""
    html = batch_table(results)
    assert all(text in html for text in said) and 'class="cautioned"' in html and "1 with cautions." in html
    assert "negative" not in batch_table(results, "ko") and "불확실한 점: Co." in batch_table(results, "ko")
    nothing = make_reading(points_px=np.full((29, 2), np.nan), warnings=[REFUSAL])
    (refused,) = read_batch(KnowingReader(nothing), [write_film(tmp_path, "b.png")], tmp_path / "films.zip", 30, 0.1)
    assert refused["cautions"] == [REFUSAL]
    (fine,) = read_batch(KnowingReader(), [write_film(tmp_path, "c.png")], tmp_path / "films.zip", 30, 0.1)
    assert fine["cautions"] == [] and 'class="read"' in batch_table([fine])


def test_a_batch_of_nothing_or_too_much_is_refused(tmp_path):
    for paths, words in (([], "choose some"), ([tmp_path / "x.png"] * 201, "too many")):
        with pytest.raises(UserError, match=words):
            read_batch(KnowingReader(), paths, tmp_path / "films.zip", 30)


def test_a_film_in_doubt_is_the_same_on_both_tabs():
    assert f'[{DOUBTFUL_BELOW}, "fair"],' in read_web("marks.js")


def test_a_refused_batch_leaves_no_film_behind(tmp_path):
    path = write_film(tmp_path, "a.png")
    with pytest.warns(UserWarning, match="pixel size"):  # what Gradio shows the user
        ((table, _, files),) = demo.answer_batch(Desk(KnowingReader(), 30), [path], "wide", "en", lambda *_: None)
    assert table == "" and files is None and not path.exists()


def test_typed_pixel_sizes():
    assert read_pixel_size("") is None is read_pixel_size(None) and read_pixel_size(" 0,1 ") == 0.1
    for text in ("x", "0", "nan", "inf", "-1", "3"):
        with pytest.raises(UserError, match="between 0.01 and 2 mm"):
            read_pixel_size(text)


# --- command and words ----------------------------------------------------------------------------------------------


def test_stopped_before_the_page_is_up_it_says_so(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "build_page", stop)
    assert demo.main([]) == 130
    assert capsys.readouterr().err == "demo.py: stopped before the page was up.\n"


@pytest.mark.parametrize(
    "flags",
    [["--max-upload", "0"], ["--weights", "none.safetensors"], ["--revision", "main"], ["--push", "no repository"],
     ["--weights", "x", "--repo-id", "a/b"], ["--push", "a/b", "--repo-id", "c/d"]],
)  # fmt: skip
def test_mistakes_in_the_call_end_at_once(flags, capsys):
    assert demo.main(flags) == 2
    assert re.fullmatch(r"demo\.py: .*\n", capsys.readouterr().err)


def test_the_command_serves_within_ten_seconds_of_a_calm_machine(blobs, tmp_path):
    weights = make_weights(blobs, tmp_path / "w.safetensors")
    started = time.monotonic()
    command = [sys.executable, str(ROOT / "demo.py"), "--weights", str(weights), "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            line = next(line for line in process.stdout if "http" in line)
            address = re.search(r"http://\S+", line).group()
            assert time.monotonic() - started < 60  # some six seconds on two calm cores
            film = blobs / "test" / "Cephalograms" / "test000.png"
            reading = Client(address, verbose=False).predict(
                film=handle_file(film), pixel_size_mm=None, api_name="/predict"
            )
            assert (reading["width"], reading["height"]) == (96, 120) and len(reading["landmarks"]) > 10
        finally:
            process.terminate()


def test_everything_on_the_page_is_said_in_korean():
    said = set()
    for path in (ROOT / "web").glob("*.html"):
        said |= set(re.findall(r'data-(?:say|label|title)="([^"]+)"', path.read_text(encoding="utf-8")))
    for path in (ROOT / "web").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        said |= set(re.findall(r'\bsay(?:Form)?\(\s*"([^"]+)"', text)) | set(re.findall(r'"([A-Z][^"\n]* …)"', text))
    for name in ("panels", "demo", "batch"):
        text = (ROOT / f"{name}.py").read_text(encoding="utf-8")
        said |= set(re.findall(r'\bsay\(\s*"([^"{}]+)", ', text))
    assert len(said) > 80 and not {text for text in said if text not in WORDS}
    said = [*EXPORTS.values(), *(each["title"] for each in list_examples()), *NORM_CHOICES, *SCALE_SOURCES]
    assert not {text for text in said if text not in WORDS}
    for text in (*demo.TABS, *(text for part in demo.batch_texts("en") for text in part.values())):
        assert say(re.sub("<.*?>", "", text), "ko") != text
    assert all(translation.count("{") == english.count("{}") for english, translation in WORDS.items())
