"""What the page of one film can ask for: open it, find its points, measure, save. Plain data in and out, no Gradio.

A question comes from a browser and may hold anything, so each part of it is checked before it is used.
"""

import base64
import math
import mimetypes
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotations import read_landmarks
from config import LANDMARK_INDEX, LANDMARKS, SYMBOLS, UserError
from files import read_bytes, read_json, write_text
from intake import Film, checked_pixel_size_mm, take_in
from lightbox import Lightbox, OpenFilm
from norms import DEFAULT_CHOICE, NORM_CHOICES
from panels import sections, stage_panel
from previews import film_png, neck_picture, thumbnail
from reader import Reader
from words import LANGUAGES, say
from worker import Worker

if TYPE_CHECKING:  # it brings PyTorch, for which the page does not wait
    from reading import Reading

SCALE_SOURCES = ("from the DICOM file", "given by the user", "measured on the ruler", "stated with the example")
EXAMPLES = Path(__file__).parent / "examples"
TITLES = {symbol: title for symbol, title, _ in LANDMARKS}
# What can be saved, by the kinds of `exports.export_film`, and all of it in one archive.
EXPORTS = {
    "report": "Report to print (HTML)",
    "overlay": "Film with its points (PNG)",
    "measurements": "Measurements (CSV)",
    "points": "Points (CSV)",
    "json": "Everything as data (JSON)",
    "annotation": "Annotation in Aariz's form (JSON)",
    "archive": "All of these (ZIP)",
}
SAME_PX = 0.002  # files keep thousandths
LONGEST_ANNOTATION = 1_000_000  # characters


class Desk:
    """The lightbox and the models, and what a page may ask of them."""

    def __init__(self, reader: Reader, largest_mb: float, lightbox: Lightbox | None = None):
        self.reader, self.largest_mb = reader, largest_mb
        self.lightbox = lightbox or Lightbox()
        self.intake = Worker("intake")  # one film is taken in at a time, so that many do not starve the one being read

    def open_bytes(self, data: bytes, file_name: str) -> dict:
        """Lays a film on the lightbox: its key, its facts and its picture.

        Raises:
            UserError: it is no film that the page takes, or too many wait to be read.
        """
        return self.lay_on(lambda: take_in(data, file_name, self.largest_mb), "from the DICOM file")

    def open_example(self, name: object) -> dict:
        """Lays one of the example films on the lightbox.

        Raises:
            UserError: there is none of this name, or too many films wait to be read.
        """
        for example in list_examples():
            if example["name"] == name:
                return self.lay_on(partial(read_example, example), "stated with the example")
        raise UserError("There is no such example; reload the page.")

    def lay_on(self, read_film: Callable[[], Film], scale_source: str) -> dict:
        """Takes a film in and lays it on the lightbox; where its pixel size comes from is told if it has one.

        Raises:
            UserError: too many films wait to be read, or this one cannot be.
        """

        def task() -> dict:
            self.reader.check_room()
            film = read_film()
            return {
                "key": self.lightbox.put(film),
                "name": film.name,
                "width": film.size[0],
                "height": film.size[1],
                "pixel_size_mm": film.pixel_size_mm,
                "scale_source": scale_source if film.pixel_size_mm else "",
                "png": film_png(film.pixels),
            }

        return self.intake.do(task)

    def find_points(self, question: dict) -> dict:
        """What the models see on a film: its points, and the panels that follow from them."""
        opened = self.lightbox.get(question.get("key"))
        if opened.reading is None:
            opened.reading = self.reader.read(opened.film)
        from reading import plain

        reading = opened.reading
        points = [
            {
                "symbol": symbol,
                "title": title,
                "x": float(reading.points_px[index, 0]),
                "y": float(reading.points_px[index, 1]),
                "confidence": plain(reading.confidence[index], 4),
                "radius95_px": plain(reading.radius95_px[index], 3),
                "taught_by": reading.taught_by[index],
            }
            for index, (symbol, title, _) in enumerate(LANDMARKS)
            if reading.known[index]
        ]
        return {"points": points, **self.measure(question), **self.tell_stage(question)}

    def measure(self, question: dict) -> dict:
        """The panels for the points as the user has them."""
        reading = edited_reading(self.lightbox.get(question.get("key")), question)
        return sections(reading, checked_norm_set(question), checked_language(question))

    def tell_stage(self, question: dict) -> dict:
        """The stage's panel, which does not follow from the points that a user may move."""
        opened = self.lightbox.get(question.get("key"))
        if opened.reading is None:
            return {"cvm": ""}
        cervical = opened.reading.cervical
        crop = neck_picture(opened.film.pixels, cervical.points_px) if cervical is not None else ""
        return {"cvm": stage_panel(opened.reading, crop, checked_language(question))}

    def export(self, question: dict) -> dict:
        """One file to keep: its name, its type and its content in base64."""
        opened = self.lightbox.get(question.get("key"))
        kind = question.get("kind")
        if not isinstance(kind, str) or kind not in EXPORTS:
            raise UserError("This page cannot save that; reload it.")
        reading = edited_reading(opened, question)
        with tempfile.TemporaryDirectory() as folder:
            path = write_export(kind, reading, opened.film.pixels, Path(folder), question)
            content = base64.b64encode(path.read_bytes()).decode("ascii")
        return {
            # An annotation file bears its film's name, as in Aariz; the other JSON file must not be taken for it.
            "name": f"{path.stem}_data.json" if kind == "json" else path.name,
            "type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            "content": content,
        }

    def load_points(self, question: dict) -> dict:
        """The points of an annotation file as the user's, by symbol, but for those that lie where the models put them;
        and the count of all.

        Raises:
            UserError: it is no such file, or its points do not lie on this film.
        """
        opened = self.lightbox.get(question.get("key"))
        text = question.get("text")
        if not isinstance(text, str) or len(text) > LONGEST_ANNOTATION:
            raise UserError("This is no annotation file; choose one that was saved here or one of Aariz.")
        points_px = read_annotation(text)
        known = np.flatnonzero(~np.isnan(points_px).any(axis=1))
        if not known.size:
            raise UserError("This annotation file holds no points; choose another.")
        own_px = opened.reading.points_px if opened.reading is not None else np.full_like(points_px, np.nan)
        moved = [index for index in known if not np.allclose(points_px[index], own_px[index], atol=SAME_PX)]
        edits = {SYMBOLS[index]: points_px[index].tolist() for index in moved}
        checked = {symbol: list(checked_point(symbol, edits[symbol], opened.film.size)) for symbol in edits}
        return {"edits": checked, "count": len(known)}

    def close_film(self, question: dict) -> dict:
        """Takes a film off the lightbox."""
        self.lightbox.remove(question.get("key"))
        return {}

    def model_status(self, question: dict) -> dict:
        """Whether the models are there, and if not, why not."""
        return {"state": self.reader.state, "problem": say(self.reader.problem, checked_language(question))}


# --- what a question holds --------------------------------------------------------------------------------------------


def edited_reading(opened: OpenFilm, question: dict) -> "Reading":
    """The reading of a film with the user's points and pixel size.

    Raises:
        UserError: its points are not found yet, or the question holds what no page asks.
    """
    if opened.reading is None:
        raise UserError("The points of this film are not found yet; wait a moment.")
    source = question.get("scale_source")
    pixel_size_mm = checked_pixel_size(question)
    source = source if pixel_size_mm is not None and source in SCALE_SOURCES else ""
    reading = replace(opened.reading, pixel_size_mm=pixel_size_mm, scale_source=source)
    edits = checked_edits(question, opened.film.size)
    return reading.corrected(edits) if edits else reading


def checked_edits(question: dict, film_size: tuple[int, int]) -> dict[str, tuple[float, float]]:
    """The points that the user placed, film pixels by symbol.

    Raises:
        UserError: a symbol is unknown, or a point is no pair of finite numbers on the film.
    """
    edits = question.get("edits") or {}
    if not isinstance(edits, dict) or len(edits) > len(LANDMARKS):
        raise UserError("The points sent are no list of landmarks; reload the page.")
    return {symbol: checked_point(symbol, place, film_size) for symbol, place in edits.items()}


def checked_point(symbol: str, place: object, film_size: tuple[int, int]) -> tuple[float, float]:
    """A landmark's place on the film."""
    if symbol not in LANDMARK_INDEX:
        raise UserError("The points sent name an unknown landmark; reload the page.")
    if not isinstance(place, list) or len(place) != 2 or not all(map(is_number, place)):
        raise UserError(f"The place sent for {symbol} is no pair of numbers; reload the page.")
    x, y = map(float, place)
    if not (-0.5 <= x <= film_size[0] - 0.5 and -0.5 <= y <= film_size[1] - 0.5):
        raise UserError(f"{symbol} would lie outside the film; place it on the film.")
    return x, y


def is_number(value: object) -> bool:
    """Whether a value of JSON is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def checked_pixel_size(question: dict) -> float | None:
    """The pixel size in mm, None where it is unknown."""
    value = question.get("pixel_size_mm")
    return None if value is None else checked_pixel_size_mm(value)


def checked_norm_set(question: dict) -> str:
    """The chosen norms, by default each author's own."""
    chosen = question.get("norm_set", DEFAULT_CHOICE)
    return chosen if isinstance(chosen, str) and chosen in NORM_CHOICES else DEFAULT_CHOICE


def checked_language(question: dict) -> str:
    """The page's language, by default English."""
    language = question.get("language", "en")
    return language if isinstance(language, str) and language in LANGUAGES else "en"


# --- files ------------------------------------------------------------------------------------------------------------


def write_export(kind: str, reading: "Reading", pixels: np.ndarray, folder: Path, question: dict) -> Path:
    """Writes what is to be saved into a folder, and returns the one file."""
    from exports import export_film, file_name, write_archive

    language, norm_set = checked_language(question), checked_norm_set(question)
    if kind != "archive":
        return export_film(reading, pixels, folder, language, norm_set, (kind,))[kind]
    path = folder / f"{file_name(reading.name)}.zip"
    write_archive(path, [(reading.name, lambda: (reading, pixels))], language, norm_set)
    return path


def read_annotation(text: str) -> np.ndarray:
    """(29, 2) the points of an annotation file, whatever film it names; NaN where it has none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.json"
        write_text(path, text)
        try:
            content = read_json(path)
            film_id = str(content.get("ceph_id", "")) if isinstance(content, dict) else ""
            return read_landmarks(path, film_id).points_px
        except UserError as error:
            raise UserError(str(error).replace(f"{path}", "The annotation file")) from None


def list_examples() -> list[dict]:
    """The example films: `name`, `file`, `title` and `pixel_size_mm` each."""
    listing = EXAMPLES / "examples.json"
    examples = read_json(listing) if listing.exists() else []
    return [{"name": Path(each["file"]).stem} | each for each in examples]


def read_example(example: dict) -> Film:
    """An example film with the pixel size that its listing states."""
    data = read_bytes(EXAMPLES / example["file"])
    film = take_in(data, example["file"], largest_mb=len(data) / 1e6)
    return Film(film.name, film.pixels, example.get("pixel_size_mm"))


def example_cards() -> list[dict]:
    """What the page shows of each example: `name`, `title` and `thumbnail`."""
    return [
        {"name": each["name"], "title": each["title"], "thumbnail": thumbnail(read_example(each).pixels)}
        for each in list_examples()
    ]
