"""README.md and its Korean twin say the same, and its head, by which it makes a Space, fits requirements.txt."""

import re
from pathlib import Path

import pytest
from huggingface_hub import metadata_load
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ENGLISH, KOREAN = "README.md", "README.ko.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # that the Hub knows
LARGEST = 10_000_000  # bytes of a file that the Hub takes without large file storage


def text_of(name: str) -> str:
    """A README without its head."""
    return re.sub(r"\A---\n.*?\n---\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)


def prose_of(name: str) -> str:
    """A README without its head and blocks of code."""
    return FENCE.sub("", text_of(name))


def code_of(name: str) -> list[tuple[str, list[str]]]:
    """Language and lines of every block of code, without comments, which are translated."""
    return [
        (language, [re.sub(r"\s+#.*", "", line).rstrip() for line in block.splitlines()])
        for language, block in FENCE.findall(text_of(name))
    ]


def rows_of(name: str) -> list[list[str]]:
    """The cells of every row of every table."""
    return [line.strip("|").split("|") for line in prose_of(name).splitlines() if line.startswith("|")]


def marked(text: str) -> list[str]:
    """What is not translated, in no order: code and the addresses of links, but for the twins' own."""
    found = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", text)]
    found += re.findall(r"\]\(([^)\s]+)\)", text)
    return sorted(each for each in found if each not in (ENGLISH, KOREAN))


def sections(name: str) -> list[tuple[int, str]]:
    """Depth of every heading, and the text below it."""
    parts = re.split(r"^(#+) .*$", prose_of(name), flags=re.MULTILINE)
    return [(len(depth), text) for depth, text in zip(parts[1::2], parts[2::2], strict=True)]


def test_the_twins_have_the_same_commands():
    english, korean = code_of(ENGLISH), code_of(KOREAN)
    assert len(english) > 8 and english == korean


def test_the_twins_have_the_same_headings_and_lists():
    english, korean = sections(ENGLISH), sections(KOREAN)
    assert [depth for depth, _ in english] == [depth for depth, _ in korean]
    items = [[len(re.findall(r"^\* ", text, re.MULTILINE)) for _, text in each] for each in (english, korean)]
    assert items[0] == items[1] and sum(items[0]) > 10


def test_the_twins_have_the_same_tables():
    english, korean = rows_of(ENGLISH), rows_of(KOREAN)
    assert len(english) > 30 and [len(row) for row in english] == [len(row) for row in korean]
    for ours, theirs in zip(english, korean, strict=True):
        assert marked("|".join(ours)) == marked("|".join(theirs))


def test_the_twins_name_the_same_flags_files_and_addresses():
    for number, ((_, english), (_, korean)) in enumerate(zip(sections(ENGLISH), sections(KOREAN), strict=True)):
        assert set(marked(english)) == set(marked(korean)), f"in section {number}"


def test_every_room_has_its_line():
    missing = {path.name for path in ROOT.glob("*.py")} - set(re.findall(r"`(\w+\.py)\b", prose_of(ENGLISH)))
    assert not missing


# --- the Space --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def head() -> dict:
    """The head of README.md."""
    return metadata_load(ROOT / ENGLISH)


def test_the_space_is_what_requirements_serve(head):
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = {each.name: each for line in lines if (text := line.split("#")[0].strip()) for each in [Requirement(text)]}
    assert head["sdk"] == "gradio" and needed["gradio"].specifier.contains(head["sdk_version"])
    assert head["app_file"] == "demo.py" and (ROOT / head["app_file"]).is_file()
    low, high = re.search(r"Python 3\.(\d+) to 3\.(\d+)", text_of(ENGLISH)).groups()
    assert int(low) <= int(re.fullmatch(r"3\.(\d+)", head["python_version"])[1]) <= int(high)
    assert f"Python 3.{low}-3.{high}" in text_of(KOREAN)


def test_the_hub_takes_the_head(head):
    assert {head["colorFrom"], head["colorTo"]} <= COLOURS and len(head["short_description"]) <= 60
    assert head["license"] == "mit" and "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_every_bundled_file_is_small_enough():
    files = [path for part in ("*.*", "weights/*", "examples/*", "web/*", "tests/*") for path in ROOT.glob(part)]
    assert len(files) > 100 and not [path.name for path in files if path.is_file() and path.stat().st_size >= LARGEST]
