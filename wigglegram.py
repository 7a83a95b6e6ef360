"""Deviations from the norm as a picture: the zigzag through all measurements that clinicians call a wigglegram.

Vorhies and Adams, Angle Orthodontist 21 (1951). One SVG for the report and the page alike.
"""

from html import escape

from words import number, say

ROW = 13.0  # height of a row; all lengths in the SVG's own units
NAME_WIDTH, SCALE_WIDTH, VALUE_WIDTH = 132.0, 168.0, 46.0
WIDTH = NAME_WIDTH + SCALE_WIDTH + VALUE_WIDTH
FARTHEST = 4.0  # standard deviations at either edge of the scale; what lies beyond is drawn there as an arrow
UNITS = {"deg": "°", "mm": " mm", "%": " %"}
# A page may set these colours for its dark form.
INK, SOFT, BAND, LOW, HIGH = (
    f"var(--wiggle-{name}, {colour})"
    for name, colour in (
        ("ink", "#1f2933"), ("soft", "#8795a1"), ("band", "#d7ebe2"), ("low", "#0b6fb8"), ("high", "#c2410c")
    )
)  # fmt: skip

COLOURS = {"low": LOW, "normal": INK, "high": HIGH, "unsure": SOFT}  # by the level of a measurement


def wigglegram(table: dict[str, dict], names: list[str], language: str = "en", title: str = "") -> str:
    """An SVG with a row for each measurement of `analysis.measure` among `names` that the film has.

    The band is one standard deviation to either side of a mean; dots are joined. A norm that is a range is no mean
    with a deviation, so there the band is the range, and its hollow mark is joined to nothing.
    """
    rows = [(name, table[name]) for name in names if name in table]
    height = (len(rows) + 2) * ROW
    label = escape(title or say("Deviation from the norm", language))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="{label}" style="width:100%;height:auto;font-family:inherit">'
    )
    parts = [head, text(0, ROW * 0.7, title, size=10, weight=700), *draw_scale(len(rows)), draw_zigzag(rows)]
    parts += [draw_row(name, row, (index + 1.5) * ROW, language) for index, (name, row) in enumerate(rows)]
    return "".join([*parts, "</svg>"])


def place(row: dict, value: float) -> float:
    """Where a value lies: -1 and 1 are the edges of the norm's band, 0 its middle."""
    if row["sd"] is not None:
        return (value - row["norm"]) / row["sd"]
    middle, half = (row["norm_low"] + row["norm_high"]) / 2, (row["norm_high"] - row["norm_low"]) / 2
    return (value - middle) / half


def across(place: float) -> float:
    """The x of a place on the scale."""
    return NAME_WIDTH + SCALE_WIDTH * (0.5 + max(-FARTHEST, min(FARTHEST, place)) / (2 * FARTHEST) * 0.94)


def draw_scale(count: int) -> list[str]:
    """The band of the norm, the middle line and the numbers of deviations above it."""
    top, bottom = ROW, (count + 1) * ROW
    left, right = across(-1), across(1)
    size = f'width="{right - left:.1f}" height="{bottom - top:g}"'
    parts = [f'<rect x="{left:.1f}" y="{top:g}" {size} style="fill:{BAND}"/>']
    for deviations in range(-4, 5):
        dashes = "" if deviations == 0 else ";stroke-dasharray:1 3"
        parts.append(
            f'<line x1="{across(deviations):.1f}" x2="{across(deviations):.1f}" y1="{top:g}" y2="{bottom:g}" '
            f'style="stroke:{SOFT};stroke-width:0.6{dashes}"/>'
        )
        if deviations % 2 == 0:
            label = f"{deviations:+d}".replace("+0", "0").replace("-", "−")
            parts.append(text(across(deviations), bottom + ROW * 0.7, label, size=7.5, anchor="middle", colour=SOFT))
    parts.append(text(NAME_WIDTH + SCALE_WIDTH + 4, bottom + ROW * 0.7, "SD", size=7.5, colour=SOFT))
    return parts


def draw_zigzag(rows: list[tuple[str, dict]]) -> str:
    """The line through all values whose norm has a deviation."""
    corners = [
        f"{across(row['deviation']):.1f},{(index + 1.5) * ROW:g}"
        for index, (_, row) in enumerate(rows)
        if row["deviation"] is not None
    ]
    return f'<polyline points="{" ".join(corners)}" style="fill:none;stroke:{INK};stroke-width:0.8;opacity:0.55"/>'


def draw_row(name: str, row: dict, y: float, language: str) -> str:
    """A measurement's name, its interval, its mark and its value."""
    here, colour = place(row, row["value"]), COLOURS[row["level"]]
    label = say(name, language)
    value = number(row["value"]) + UNITS[row["unit"]]
    hint = f"{label}: {value}, {say(row['reading'], language)}"
    parts = [f"<g><title>{escape(hint)}</title>", text(0, y + 3, label, size=9)]
    if row["low95"] is not None:
        ends = across(place(row, row["low95"])), across(place(row, row["high95"]))
        parts.append(
            f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y:g}" y2="{y:g}" '
            f'style="stroke:{colour};stroke-width:2.4;opacity:0.35;stroke-linecap:round"/>'
        )
    parts.append(draw_mark(here, y, colour, hollow=row["deviation"] is None))
    parts.append(text(WIDTH, y + 3, value, size=9, anchor="end", colour=colour))
    return "".join([*parts, "</g>"])


def draw_mark(place: float, y: float, colour: str, hollow: bool) -> str:
    """A dot at a place, hollow for a range, or an arrow at the edge that it lies beyond."""
    x = across(place)
    style = f"fill:var(--wiggle-paper, #fff);stroke:{colour};stroke-width:1.2" if hollow else f"fill:{colour}"
    if abs(place) <= FARTHEST:
        return f'<circle cx="{x:.1f}" cy="{y:g}" r="2.6" style="{style}"/>'
    way = 1 if place > 0 else -1
    return f'<path d="M{x + 3.5 * way:.1f} {y:g}l{-6 * way} -3.2v6.4z" style="{style}"/>'


def text(
    x: float, y: float, words: str, size: float, anchor: str = "start", colour: str = INK, weight: int = 400
) -> str:
    """A line of text in the SVG."""
    style = f"font-size:{size}px;fill:{colour};text-anchor:{anchor};font-weight:{weight}"
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{style}">{escape(words)}</text>'
