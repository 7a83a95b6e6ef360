"""The page in a browser: `python demo.py [--port N] [--weights FILE] [--repo-id NAME/REPO]`.

It works at once and offline on the bundled weights: a film in, its points to correct, its measurements and files out.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when Gradio is imported

import gradio as gr

from config import UserError
from desk import Desk
from editor import Editor, read_web
from reader import Reader

BUNDLED = Path(__file__).parent / "weights"


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="A page in the browser that finds landmarks and measures films.")
    add = parser.add_argument
    add("--weights", type=Path, action="append", metavar="FILE", help="weights to use (default: the bundled ones)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)")
    add("--host", default="127.0.0.1", help="address to serve at; 0.0.0.0 lets others in (default: %(default)s)")
    add("--port", type=int, help="port to serve at (default: the first free one from 7860)")
    add("--max-upload", type=float, default=30.0, metavar="MB", help="largest file to take (default: %(default)s)")
    add("--language", choices=("auto", "en", "ko"), default="auto", help="first language (default: the browser's)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command until it is interrupted; 2 for a mistake in the call."""
    options = make_parser().parse_args(arguments)
    reader = Reader(lambda: find_weights(options), options.device)
    desk = Desk(reader, options.max_upload)
    demo = build_page(desk)
    reader.start()
    desk.lightbox.start_sweeping()
    try:
        launch(demo, options)
    except (UserError, OSError) as error:
        print(f"demo.py: {error}", file=sys.stderr)
        return 2
    return 0


def find_weights(options: argparse.Namespace) -> list[Path]:
    """The files of weights to read with."""
    if options.weights:
        return options.weights
    from inference import default_weights

    return [default_weights(Path("checkpoints"))]


def build_page(desk: Desk) -> gr.Blocks:
    """The page."""
    with gr.Blocks(
        title="Cephalometric reading", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True
    ) as demo, gr.Tabs(), gr.Tab("One film"):
        Editor(desk)
    return demo


def page_theme() -> gr.themes.Base:
    """Fonts that are on every machine, so that nothing is fetched, and the page's own accent."""
    fonts = ("system-ui", "Segoe UI", "Noto Sans", "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo", "sans-serif")
    return gr.themes.Base(primary_hue="cyan", neutral_hue="slate", font=fonts, font_mono=("ui-monospace", "monospace"))


def launch(demo: gr.Blocks, options: argparse.Namespace, **more) -> tuple:
    """Serves the page."""
    return demo.launch(
        server_name=options.host,
        server_port=options.port,
        max_file_size=int(options.max_upload * 1e6),
        css=read_web("page.css"),
        theme=page_theme(),
        run_history=False,
        ssr_mode=False,
        show_error=False,
        **more,
    )


if __name__ == "__main__":
    sys.exit(main())
