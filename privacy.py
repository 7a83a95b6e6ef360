"""What of a model may leave this machine: numbers, hashes and this project's own words.

Paths and the names of films, people, clinics and machines never do. Pure functions on plain types.
"""

import re
from collections.abc import Iterator

from config import SYMBOLS, VERTEBRAL_POINTS

# Data sets that anyone can get are called by name, all others "private": a folder may be named after a clinic.
PUBLIC_DATASETS = {"aariz": "Aariz", "isbi2015": "ISBI2015", "phantom": "Phantoms"}
PRIVATE_DATASET = "private"
WORDS = {"mean", "official", "senior", "junior", "expert", "reader", "train", "valid", "test", "cross-validation"}
WORDS |= {PRIVATE_DATASET, *SYMBOLS, *VERTEBRAL_POINTS, *PUBLIC_DATASETS, *PUBLIC_DATASETS.values()}
KEPT_BACK = {"per_machine", "labelled"}  # facts and figures by the names of machines or films
HASH = re.compile(r"[0-9a-f]{16,64}")
FOLD = re.compile(r"fold \d+ of \d+")
KEY = re.compile(r"[A-Za-z0-9_.`'+-]{1,32}")


def public_name(dataset: object) -> str:
    """The public name of a data set's folder."""
    folder = str(dataset).lower()
    return next((name for start, name in PUBLIC_DATASETS.items() if folder.startswith(start)), PRIVATE_DATASET)


def shareable_facts(facts: dict) -> dict:
    """The facts of weights without what `private_texts` would find among those that this project writes."""
    shared = without_names(facts)
    if "dataset" in shared and not is_word(str(shared["dataset"])):
        shared["dataset"] = public_name(shared["dataset"])
    return shared


def without_names(content: object) -> object:
    """A copy of plain JSON without what is `KEPT_BACK`."""
    if isinstance(content, dict):
        return {key: without_names(value) for key, value in content.items() if key not in KEPT_BACK}
    return [without_names(value) for value in content] if isinstance(content, list) else content


def private_texts(content: object) -> Iterator[str]:
    """Every text in plain JSON that is neither a hash nor a word of this project, keys included."""
    if isinstance(content, dict):
        yield from (str(key) for key in content if not KEY.fullmatch(str(key)))
        for value in content.values():
            yield from private_texts(value)
    elif isinstance(content, (list, tuple)):
        for value in content:
            yield from private_texts(value)
    elif isinstance(content, str) and not is_word(content):
        yield content


def is_word(text: str) -> bool:
    """Whether a text tells no more than this project's code does."""
    return text in WORDS or bool(HASH.fullmatch(text) or FOLD.fullmatch(text))


def numbers_of(content: object) -> object:
    """A copy of figures that holds numbers and the project's words; other texts become None."""
    content = without_names(content)
    if isinstance(content, dict):
        return {key: numbers_of(value) for key, value in content.items() if KEY.fullmatch(str(key))}
    if isinstance(content, list):
        return [numbers_of(value) for value in content]
    return content if isinstance(content, (bool, int, float)) or is_word(str(content)) else None
