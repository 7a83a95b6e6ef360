"""What a user does on the page, and what is seen there, through playwright."""

import itertools
import re


def open_film(page, path, state="points"):
    """Opens a film, and waits for its points, or for what else comes of it."""
    page.set_input_files(".film-file", path)
    page.wait_for_selector(f".ceph[data-state={state}][aria-busy=false]")


def set_scale(page, millimetres="0.1"):
    """Types in a pixel size."""
    page.click("#ceph-tab-film")
    page.fill("[name=pixel_size_mm]", millimetres)
    after(page, lambda: page.click(".scale button[type=submit]"))
    page.click("#ceph-tab-measures")


def after(page, action):
    """Does something, and waits until the measurements that follow are shown; returns how long that took, ms."""
    before = page.evaluate("Number(document.querySelector('.ceph').dataset.measured ?? 0)")
    action()
    page.wait_for_function(f"Number(document.querySelector('.ceph').dataset.measured ?? 0) > {before}")
    return float(page.get_attribute(".ceph", "data-measured-ms"))


def value(page, name: str) -> float:
    """A measurement as shown."""
    text = page.locator(f'tr[data-measure="{name}"] .value').evaluate("cell => cell.firstChild.textContent")
    return float(text.replace("−", "-").rstrip("°% m"))


def place(page, symbol: str) -> tuple[float, float]:
    """Where a mark is, film pixels."""
    x, y = re.match(r"translate\(([-.\d]+) ([-.\d]+)\)", page.get_attribute(mark(symbol), "transform")).groups()
    return float(x), float(y)


def zoom_of(page) -> float:
    """Screen pixels per film pixel, to a hundredth."""
    return float(page.inner_text(".zoom").split()[0]) / 100


def mark(symbol: str) -> str:
    """The selector of a mark."""
    return f'.mark[data-symbol="{symbol}"]'


def middle(page, symbol: str) -> tuple[float, float]:
    """Where a mark is, in the window."""
    box = page.locator(f"{mark(symbol)} .middle").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, symbol: str, right: float, down: float) -> float:
    """Drags a mark by so many screen pixels; how long its measurements took, ms."""
    x, y = middle(page, symbol)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    return after(page, page.mouse.up)


def overlapping_names(page) -> list[str]:
    """Pairs of landmarks whose names cover each other."""
    page.click("[data-show=names]")
    names = page.locator(".mark .name").all()
    boxes = [(name.text_content(), name.bounding_box()) for name in names]
    page.click("[data-show=names]")

    def apart(one: dict, other: dict) -> bool:
        return any(
            one[low] + one[size] - 2 <= other[low] or other[low] + other[size] - 2 <= one[low]
            for low, size in (("x", "width"), ("y", "height"))
        )

    pairs = itertools.combinations(boxes, 2)
    return [f"{first} {second}" for (first, one), (second, other) in pairs if not apart(one, other)]
