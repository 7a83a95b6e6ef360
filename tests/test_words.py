"""Korean for all that pages and reports say of a film."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import korean
from analysis import GROUPS, WITHIN
from anatomy import make_anatomy
from config import LANDMARKS
from measurements import MEASUREMENTS
from norms import NORM_CHOICES, NORM_SETS
from tracing import LINES
from vertebrae_geometry import measure_vertebrae
from words import TABLES, WORDS, say

HANGUL = re.compile("[가-힣]")
# The rooms whose sentences reach the user as a reading's warnings.
WARNING_ROOMS = ("inference", "cervical", "reading")
MESSAGES_OF_ERRORS = {"UserError", "Problem", "ValueError"}


def has_korean(english: str) -> bool:
    return bool(HANGUL.search(say(english, "ko")))


def test_a_word_has_one_translation():
    assert sum(map(len, TABLES)) == len(WORDS)
    for english, translation in WORDS.items():
        counts = [len(re.findall(r"\{\d?\}", text)) for text in (english, translation)]
        assert counts[0] == counts[1], english


def test_every_measurement_is_in_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(each.name for each in MEASUREMENTS)


@pytest.mark.parametrize("each", MEASUREMENTS, ids=lambda each: each.name)
def test_measurements_and_their_readings(each):
    assert each.name in korean.MEASUREMENTS and all(map(has_korean, (each.low, each.high, WITHIN)))


def test_norms_groups_landmarks_and_lines():
    for name, (_source, holds_for) in NORM_SETS.items():
        assert name in WORDS and has_korean(holds_for), name
    for name, (holds_for, _preferred) in NORM_CHOICES.items():
        assert name in WORDS and has_korean(holds_for), name
    assert all(has_korean(name) for name in GROUPS)
    assert all(has_korean(title) for _symbol, title, _id in LANDMARKS)
    assert all(has_korean(each.name) for each in LINES)


def warning_sentences(path: Path) -> set[str]:
    """The sentences in a room that are neither docstrings nor an error's message, with `7` for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed_over = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed_over.add(node.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MESSAGES_OF_ERRORS:
            passed_over |= set(ast.walk(node))
        if isinstance(node, ast.Assert):
            passed_over |= set(ast.walk(node))
    sentences = set()
    for node in ast.walk(tree):
        if node in passed_over:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "7" for part in node.values]
            sentences.add("".join(parts))
            passed_over |= set(ast.walk(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            sentences.add(re.sub(r"\{[^}]*\}", "7", node.value))
    return {text for text in sentences if re.fullmatch(r"\w.* .*\.", text)} | {
        text for text in sentences if re.fullmatch(r"[A-Z].* .*[a-z]", text) and len(text) > 40
    }


@pytest.mark.parametrize("room", WARNING_ROOMS)
def test_every_warning_a_reading_may_carry(room):
    sentences = warning_sentences(Path(__file__).parents[1] / f"{room}.py")
    assert len(sentences) >= 2
    for sentence in sentences:
        assert has_korean(sentence), f"korean.WARNINGS lacks: {sentence}"


def test_what_is_filled_in_is_kept_and_translated():
    turned = say("The head is turned by 23 degrees; it was read upright.", "ko")
    assert "23" in turned and HANGUL.search(turned)
    women = say(NORM_CHOICES["Eastman"][0], "ko")
    assert "영국" in women and "British" not in women


def test_the_reason_for_a_stage_is_translated_word_by_word():
    reason = say("C2 and C3 concave, C4 flat, C3 trapezoid, C4 rectangular horizontal: CS3", "ko")
    assert reason == "C2·C3 오목, C4 편평, C3 사다리꼴, C4 가로 직사각형: CS3"
    geometry = measure_vertebrae(make_anatomy(5, np.random.default_rng(0)).vertebrae_mm(), np.full(13, np.nan))
    assert say("C2, C3 and C4 concave, C3 and C4 square: CS5", "ko") == "C2·C3·C4 오목, C3·C4 정사각형: CS5"
    assert geometry.reason and not re.search("[a-z]", say(geometry.reason, "ko"))


def test_what_has_no_translation_stays_english():
    assert say("An unknown sentence.", "ko") == "An unknown sentence." and say("SNA", "en") == "SNA" and say("") == ""
    assert say("SNA", "fr") == "SNA"
