"""What pages and reports say, in two languages: `say(english, "ko")`. The English is the key, so what lacks a
translation is shown in English.
"""

import re
from functools import lru_cache

import korean
import korean_page

LANGUAGES = {"en": "English", "ko": "한국어"}
READER_MARK, USER_MARK, DOUBT_MARK = "†", "✎", "?"  # rests on readers' points; on the user's; reading not certain
SAYS_NOTHING = "its 95 % interval reaches from below the norm to above it"
NO_SCALE = "No pixel size is known, so there are angles and ratios, but no lengths."
NECK_REASON = re.compile(r"C2.*: CS[1-6]")
TABLES = (*korean.TABLES, *korean_page.TABLES)
WORDS = {english: translation for table in TABLES for english, translation in table.items()}


def say(english: str, language: str = "en") -> str:
    """An English text in a language of `LANGUAGES`; English where there is no translation.

    A text made by filling in a sentence, such as "The head is turned by 12 degrees; it was read upright.", is found by
    its form, and what was filled in is translated in its turn.
    """
    if language != "ko" or not english:
        return english
    if english in WORDS:
        return WORDS[english]
    if NECK_REASON.fullmatch(english):
        for word, translation in korean.NECK.items():
            english = english.replace(word, translation)
        return english
    for form, translation in sentence_forms():
        match = form.fullmatch(english)
        if match:
            return translation.format(*(say(part, language) for part in match.groups()))
    return english


def number(value: float, form: str = ".1f") -> str:
    """A number with a true minus, and none before zero."""
    return format(0.0 if abs(value) < 0.05 else value, form).replace("-", "−")


@lru_cache(maxsize=1)
def sentence_forms() -> list[tuple[re.Pattern, str]]:
    """The sentences with something to fill in, as patterns, beside their translations; the longest first."""
    forms = [english for english in WORDS if "{}" in english]
    forms.sort(key=len, reverse=True)
    return [(re.compile("(.+?)".join(map(re.escape, form.split("{}"))), re.DOTALL), WORDS[form]) for form in forms]
