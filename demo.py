"""The page in a browser: `python demo.py [--port N] [--weights FILE] [--language ko]`.

It works at once and offline on the bundled weights: a film in, its points to correct, its measurements and files out.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when Gradio is imported

import gradio as gr

from batch import batch_table, delete, read_batch, read_pixel_size, read_upload
from config import UserError
from desk import Desk
from editor import Editor, Header, read_web
from flags import DEFAULT_OUTPUT
from intake import checked_pixel_size_mm
from interruption import EXIT_INTERRUPTED
from memory import start_giving_back
from reader import Reader
from words import LANGUAGES, say

BUNDLED = Path(__file__).parent / "weights" / "landmarks.safetensors"
TITLE = "Cephalometric reading"
TABS = ("One film", "Many films", "About")
FILM_TYPES = [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm"]
# Two slow cores serve one film at a time; more people than this are asked to come back.
LONGEST_QUEUE = 16
ONE_AT_A_TIME = {"concurrency_id": "films", "concurrency_limit": 1}
# Gradio keeps what is uploaded or downloaded in a folder; looked through so often, for what is older than that, s.
SWEEP_EVERY_S, KEEP_S = 600, 3600
GIVE_BACK_EVERY_S = 10.0  # freed memory, to the system
# Gradio keeps 35 kB for each visitor until there are more than so many. Films lie elsewhere and do not go with them.
MOST_SESSIONS = 500
# Gradio's own parts by the colours of web/page.css, which know light and dark.
COLOURED = {
    "accent": (
        "button_primary_background_fill", "button_primary_background_fill_hover", "button_primary_border_color",
        "button_primary_border_color_hover", "color_accent", "link_text_color", "link_text_color_hover",
    ),
    "accent-ink": ("button_primary_text_color", "button_primary_text_color_hover"),
    "card": (
        "background_fill_primary", "block_background_fill", "block_label_background_fill",
        "button_secondary_background_fill", "table_even_background_fill",
    ),
    "raised": (
        "background_fill_secondary", "button_secondary_background_fill_hover", "input_background_fill",
        "table_odd_background_fill",
    ),
    "line": ("border_color_primary", "button_secondary_border_color"),
    "ink": ("body_text_color", "button_secondary_text_color", "block_title_text_color"),
    "soft": ("body_text_color_subdued", "block_label_text_color", "input_placeholder_color"),
}  # fmt: skip
FONTS = ("system-ui", "Segoe UI", "Noto Sans", "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo", "sans-serif")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="A page in the browser that finds landmarks and measures films.")
    add = parser.add_argument
    add("--weights", type=Path, action="append", metavar="FILE", help="weights to use (default: the bundled ones)")
    add("--repo-id", metavar="REPO", help="weights from this repository of the Hugging Face Hub, or from this folder")
    add("--revision", help="a commit, tag or branch of --repo-id (default: the newest commit)")
    add("--push", metavar="REPO", help="send the weights to this repository, where they are better, and end")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    add("--host", help="address to serve at; 0.0.0.0 lets others in (default: GRADIO_SERVER_NAME, else 127.0.0.1)")
    add("--port", type=int, help="port to serve at (default: the first free one from 7860)")
    add("--max-upload", type=float, default=30.0, metavar="MB", help="largest file to take (default: %(default)s)")
    add("--language", choices=("auto", *LANGUAGES), default="auto", help="first language (default: the browser's)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Serves the page until it is interrupted; 2 for a mistake in the call, 130 when stopped before that."""
    options = make_parser().parse_args(arguments)
    try:
        check_options(options)
        if options.push:
            push_weights(options)
            return 0
        reader = Reader(lambda: find_weights(options), options.device)
        desk = Desk(reader, options.max_upload)
        demo = build_page(desk, options.language)
        reader.start()
        desk.lightbox.start_sweeping()
        start_giving_back(GIVE_BACK_EVERY_S)
        launch(demo, options)
    except (UserError, OSError) as error:
        print(f"demo.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # once the page is up, Gradio ends without one
        print("demo.py: stopped before the page was up.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def check_options(options: argparse.Namespace) -> None:
    """Refuses what cannot be served, before anything is loaded."""
    if not 0 < options.max_upload <= 1000:
        raise UserError(f"--max-upload is {options.max_upload:g}; give megabytes, for example 30.")
    if options.weights and options.repo_id:
        raise UserError("--weights and --repo-id both name weights; leave one out.")
    if options.push and options.repo_id:
        raise UserError("--push sends files of this machine, not those of --repo-id; name them by --weights.")
    if options.revision and not options.repo_id:
        raise UserError("--revision belongs to --repo-id, which is missing; name the repository.")
    for path in options.weights or []:
        if not path.is_file():
            raise UserError(f"{path} does not exist; check --weights.")


def find_weights(options: argparse.Namespace) -> list[Path]:
    """The files of weights to read with: those named, those of a repository, or the bundled ones.

    Raises:
        UserError: there are none.
    """
    if options.weights:
        return options.weights
    if options.repo_id:
        return pull_weights(options.repo_id, options.revision)
    from inference import default_weights

    return [BUNDLED if BUNDLED.exists() else default_weights(Path(DEFAULT_OUTPUT))]


def pull_weights(repo_id: str, revision: str | None) -> list[Path]:
    """A repository's weights; the bundled ones, with a note, while the Hub cannot be reached.

    Raises:
        UserError: the repository has none, or the Hub cannot be reached and none are bundled.
    """
    import hub
    from inference import files_to_load

    pulled = hub.pull_or_bundled(repo_id, revision)
    hub.show_pulled(pulled, command="demo.py")
    return files_to_load({name: each.path for name, each in pulled.items()})


def push_weights(options: argparse.Namespace) -> None:
    """Sends weights to a repository, where they are better than those there."""
    import hub

    hub.push(options.push, options.weights)


# --- the page ---------------------------------------------------------------------------------------------------------


def build_page(desk: Desk, language: str = "auto") -> gr.Blocks:
    """The page, with everything that it can ask for."""
    first = "en" if language == "auto" else language
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(SWEEP_EVERY_S, KEEP_S), fill_width=True) as demo:
        header = Header(desk, language)
        with gr.Tabs():
            tabs = [gr.Tab(say(title, first)) for title in TABS]
            with tabs[0]:
                Editor(desk)
            with tabs[1]:
                labelled = build_batch(desk, header, first)
            with tabs[2]:
                about = gr.HTML(read_web(f"about.{first}.html"), apply_default_css=False)
        add_endpoint(desk)

        def relabel(chosen: str) -> list:
            """Gradio's own parts in a language; the page's follow by themselves."""
            chosen = chosen if chosen in LANGUAGES else "en"
            renamed = [gr.Tab(label=say(title, chosen)) for title in TABS]
            return [*renamed, *batch_labels(chosen), read_web(f"about.{chosen}.html")]

        outputs = [*tabs, *labelled, about]
        quietly = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
        header.change(relabel, header, outputs, **quietly)
        # The head may tell its language before the page listens; it is asked once more when the page does.
        demo.load(relabel, header, outputs, **quietly)
    demo.queue(max_size=LONGEST_QUEUE, default_concurrency_limit=1)
    return demo


def build_batch(desk: Desk, header: Header, language: str) -> list:
    """The tab for many films; returns what has words on it, in the order of `batch_labels`."""
    intro = gr.HTML(apply_default_css=False)
    with gr.Row():
        files = gr.File(file_count="multiple", file_types=FILM_TYPES, height=220, scale=3)
        with gr.Column(scale=1, min_width=240):
            pixel_size = gr.Textbox(placeholder="0.1", max_lines=1)
            start = gr.Button(variant="primary")
            download = gr.DownloadButton(visible=False)
    table = gr.HTML(apply_default_css=False, min_height=60)

    def run(paths: list[str] | None, millimetres: str, chosen: str, progress=gr.Progress()) -> Iterator:  # noqa: B008
        paths, chosen = [Path(path) for path in paths or []], chosen if chosen in LANGUAGES else "en"

        def tell(number: int, name: str) -> None:
            progress((number, len(paths)), desc=name, unit=say("films", chosen))

        yield from answer_batch(desk, paths, millimetres, chosen, tell)

    outputs = [table, download, files]
    start.click(
        run, [files, pixel_size, header], outputs, show_progress_on=table, api_visibility="private", **ONE_AT_A_TIME
    )
    labelled = [intro, files, pixel_size, start, download]
    for part, labels in zip(labelled, batch_texts(language), strict=True):
        for name, text in labels.items():
            setattr(part, name, text)
    return labelled


def answer_batch(
    desk: Desk, paths: list[Path], millimetres: str, language: str, tell: Callable[[int, str], None]
) -> Iterator[tuple]:
    """Reads films into an archive; yields the table of what became of each, the archive's button, and no files, which
    empties their list.
    """
    folder = Path(tempfile.mkdtemp(prefix="films_"))
    try:
        archive = folder / "films.zip"
        results = read_batch(desk.reader, paths, archive, desk.largest_mb, read_pixel_size(millimetres), language, tell)
        yield batch_table(results, language), gr.DownloadButton(value=str(archive), visible=True), None
    except UserError as error:
        gr.Warning(say(str(error), language), title="")
        yield "", gr.DownloadButton(visible=False), None
    finally:
        for path in paths:
            delete(path)  # also those of a batch that was refused
        shutil.rmtree(folder, ignore_errors=True)  # Gradio serves a copy of its own, for an hour


def batch_texts(language: str) -> list[dict[str, str]]:
    """The words on the batch tab, a dict of properties for each part that has some."""
    intro = say(
        "Choose many films at once. Each is read as on the first tab; one archive brings points, measurements, "
        "annotation, overlay and report of every film, and says which could not be read.",
        language,
    )
    return [
        {"value": f'<div class="ceph-text"><p>{intro}</p></div>'},
        {"label": say("Films", language)},
        {
            "label": say("Millimetres per pixel", language),
            "info": say("of films that do not state their own; empty where unknown", language),
        },
        {"value": say("Read all", language)},
        {"label": say("Save the archive (ZIP)", language)},
    ]


def batch_labels(language: str) -> list:
    """The batch tab's words as updates for Gradio."""
    return [gr.update(**texts) for texts in batch_texts(language)]


# --- for programs -----------------------------------------------------------------------------------------------------


def add_endpoint(desk: Desk) -> None:
    """The one endpoint for programs, `/predict`."""

    def predict(film: str, pixel_size_mm: float | None = None) -> dict:
        """Reads one lateral cephalogram.

        film: PNG, JPEG, BMP, TIFF or DICOM. pixel_size_mm: millimetres per pixel, where the film does not state its
        own; without it there are angles and ratios, but no lengths. Returns an entry of predict.py's
        predictions.json: landmarks with 95 % radii, measurements beside their norms, the CVM stage, warnings.
        """
        from reading import describe_reading

        if film is None:
            raise gr.Error("There is no film; send a file.", print_exception=False)
        try:
            if pixel_size_mm is not None:
                checked_pixel_size_mm(pixel_size_mm)
            reading, _ = read_upload(desk.reader, Path(film), desk.largest_mb, pixel_size_mm)
        except UserError as error:
            delete(Path(film))
            raise gr.Error(str(error), print_exception=False) from None
        return describe_reading(reading, Path(film).name)

    film = gr.File(label="film", type="filepath", visible=False)
    pixel_size = gr.Number(label="pixel_size_mm", visible=False, value=None)
    reading = gr.JSON(label="reading", visible=False)
    ask = gr.Button(visible=False)
    ask.click(predict, [film, pixel_size], reading, api_name="predict", **ONE_AT_A_TIME)


# --- serving ----------------------------------------------------------------------------------------------------------


def page_theme() -> gr.themes.Base:
    """Fonts that are on every machine, so that nothing is fetched, and the page's own colours, light and dark."""
    theme = gr.themes.Base(neutral_hue="slate", font=FONTS, font_mono=("ui-monospace", "monospace"))
    named = {part: f"var(--c-{colour})" for colour, parts in COLOURED.items() for part in parts}
    dark = {f"{part}_dark": value for part, value in named.items() if hasattr(theme, f"{part}_dark")}
    return theme.set(**named, **dark)


def launch(demo: gr.Blocks, options: argparse.Namespace, **more) -> tuple:
    """Serves the page until it is interrupted, or as `more` says."""
    return demo.launch(
        server_name=options.host,
        server_port=options.port,
        max_file_size=int(options.max_upload * 1e6),
        css=read_web("page.css"),
        theme=page_theme(),
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        state_session_capacity=MOST_SESSIONS,
        **more,
    )


if __name__ == "__main__":
    sys.exit(main())
