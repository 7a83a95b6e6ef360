"""How long after a point is let go all measurements show: `python -m benchmarks.editing [--edits 40]`.

The demo on its bundled weights in a headless Chromium: an example film is opened, and points of it are dragged with the
mouse, one after the other. The clock, the browser's own, runs from letting go until the new numbers are in the page and
until the frame after the one that drew them. Needs playwright and a Chromium (requirements-dev.txt).
"""

import argparse
import sys

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.measuring import hardware, installed_chromium, running_demo
from config import UserError
from measurements import MEASUREMENTS

ASKED_MS = 100.0
READ = ".ceph[data-state=points][aria-busy=false]"
# What changed is drawn after the next frame's callbacks, so those of the frame after that come when it is to be seen.
CLOCK = """() => {
    window.shown = [];
    let released = 0;
    addEventListener("pointerup", () => { released = performance.now(); }, true);
    new MutationObserver(() => {
        const there = performance.now() - released;
        requestAnimationFrame(() => requestAnimationFrame(
            () => window.shown.push([there, performance.now() - released])
        ));
    }).observe(document.querySelector(".measures"), { childList: true, subtree: true });
}"""


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Times the demo from letting a point go to all its measurements.")
    parser.add_argument("--edits", type=int, default=40, metavar="N", help="points to drag (default: %(default)s)")
    return parser


def drag(page: Page, symbol: str, right: float, down: float) -> tuple[tuple[float, float], bool]:
    """Drags a landmark by so many screen pixels; ms until all numbers are there and drawn, and whether any is new."""
    before, numbers = page.evaluate("window.shown.length"), page.inner_text(".measures")
    box = page.locator(f'.mark[data-symbol="{symbol}"] .middle').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    page.mouse.up()
    page.wait_for_function(f"window.shown.length > {before}")
    return tuple(page.evaluate("window.shown.at(-1)")), page.inner_text(".measures") != numbers


def time_edits(page: Page, count: int) -> np.ndarray:
    """(count, 2) ms of each edit, as `drag` gives them: opens the first example, drags its points there and back."""
    page.locator(".example-list button").first.click()
    page.wait_for_selector(READ)
    page.evaluate(CLOCK)
    symbols, times = sorted({symbol for each in MEASUREMENTS for symbol in each.needs}), []
    for number in range(count):
        symbol, way = symbols[number // 2 % len(symbols)], 1 - 2 * (number % 2)
        spent, changed = drag(page, symbol, 14 * way, 9 * way)
        assert changed, f"{symbol} was moved and no measurement with it"
        times.append(spent)
    return np.array(times)


def time_page(address: str, count: int) -> np.ndarray:
    """`time_edits` in a browser of its own."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=installed_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
        page.set_default_timeout(120_000)
        page.goto(address)
        times = time_edits(page, count)
        browser.close()
    return times


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 1 if most edits took longer than asked."""
    options = make_parser().parse_args(arguments)
    print(hardware())
    try:
        with running_demo("--device", "cpu") as (_, port):
            times = time_page(f"http://127.0.0.1:{port}", options.edits)
    except UserError as error:
        print(f"editing: {error}", file=sys.stderr)
        return 2
    print(f"{len(times)} edits, from letting go until all numbers are")
    for what, column in zip(("in the page", "drawn"), times.T, strict=True):
        median, high = np.percentile(column, [50, 95])
        late = (column > ASKED_MS).sum()
        print(f"{what:12} median {median:.0f} ms, 95th percentile {high:.0f} ms, {late} over {ASKED_MS:.0f} ms")
    return int(np.median(times[:, 1]) > ASKED_MS)


if __name__ == "__main__":
    sys.exit(main())
