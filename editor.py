"""The page's own Gradio components: its head, and one film under its points with all that follows from them.

The browser's part lies in `web/`. An edit sends the user's points and nothing else; no film is sent twice.
"""

import logging
from dataclasses import asdict
from pathlib import Path

import gradio as gr
from gradio.components.base import server

from config import UserError
from desk import EXPORTS, TITLES, Desk, example_cards
from norms import NORM_CHOICES
from tracing import LINES
from words import LANGUAGES, WORDS, say

log = logging.getLogger(__name__)
WEB = Path(__file__).parent / "web"
SCRIPTS = ("view.js", "renew.js", "marks.js", "hand.js", "missing.js", "editor.js", "scale.js", "wiring.js")


def read_web(name: str) -> str:
    """A file of the page's browser part."""
    return (WEB / name).read_text(encoding="utf-8")


class Header(gr.HTML):
    """The page's head. Its value is the page's language; it shows whether the models are there."""

    def __init__(self, desk: Desk, language: str = "auto", **options):
        """language: a key of `words.LANGUAGES`, or "auto" for the browser's."""
        self._desk = desk
        super().__init__(
            html_template=read_web("header.html"),
            js_on_load=read_web("header.js"),
            apply_default_css=False,
            language=language,
            words={"ko": WORDS},
            **options,
        )

    def get_block_name(self) -> str:
        return "html"

    @server
    def model_status(self, question) -> dict:
        return answer(lambda: self._desk.model_status(question), question)


class Editor(gr.HTML):
    """One film: opened, read, corrected, measured and saved. Its server functions serve its own page alone."""

    def __init__(self, desk: Desk, **options):
        self._desk = desk
        super().__init__(
            html_template=read_web("editor.html"),
            css_template=read_web("editor.css"),
            js_on_load="\n".join(map(read_web, SCRIPTS)),
            apply_default_css=False,
            words={"ko": WORDS},
            largest_mb=desk.largest_mb,
            titles=TITLES,
            tracing=list(map(asdict, LINES)),
            norm_sets={name: holds_for for name, (holds_for, _) in NORM_CHOICES.items()},
            exports=EXPORTS,
            examples=example_cards(),
            **options,
        )
        self.props["component_id"] = self._id  # by which a page that is closed puts its film away

    def get_block_name(self) -> str:
        return "html"

    @server
    def open_film(self, form) -> dict:
        """Takes an uploaded file in; Gradio hands over its name and bytes, and has deleted its own copy."""

        def task() -> dict:
            [(name, data)] = getattr(form, "files", [("film", b"")])
            return self._desk.open_bytes(data, name or "film")

        return answer(task, getattr(form, "data", None))

    @server
    def open_example(self, question) -> dict:
        return answer(lambda: self._desk.open_example(question.get("name")), question)

    @server
    def find_points(self, question) -> dict:
        return answer(lambda: self._desk.find_points(question), question)

    @server
    def measure(self, question) -> dict:
        return answer(lambda: self._desk.measure(question), question)

    @server
    def tell_stage(self, question) -> dict:
        return answer(lambda: self._desk.tell_stage(question), question)

    @server
    def export(self, question) -> dict:
        return answer(lambda: self._desk.export(question), question)

    @server
    def load_points(self, question) -> dict:
        return answer(lambda: self._desk.load_points(question), question)

    @server
    def close_film(self, question) -> dict:
        return answer(lambda: self._desk.close_film(question), question)

    @server
    def model_status(self, question) -> dict:
        return answer(lambda: self._desk.model_status(question), question)


def answer(task, question) -> dict:
    """What a task gives, or one sentence in the page's language for what went wrong."""
    language = question.get("language") if isinstance(question, dict) else None
    language = language if isinstance(language, str) and language in LANGUAGES else "en"
    try:
        if not isinstance(question, dict):
            raise UserError("This page asked for something that is no question; reload it.")
        return task()
    except UserError as error:
        return {"error": say(str(error), language)}
    except Exception:
        log.exception("The page asked for something that failed.")
        return {"error": say("Something went wrong here; the log of the demo says what.", language)}
