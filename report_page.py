"""One self-contained HTML page about a film that prints to two sheets of A4: the film traced and what stands out, then
every measurement.
"""

import base64
import datetime
from html import escape
from pathlib import Path

import cv2
import numpy as np

from analysis import GROUPS, TOO_UNCERTAIN, UNSURE, is_doubtful
from config import SYMBOLS
from norms import DEFAULT_CHOICE, NORM_CHOICES, NORM_SETS
from reading import READER, USER, Reading, describe_stage
from tracing import KIND_COLOURS, LINES, draw_line
from visualize import place_labels
from wigglegram import UNITS, wigglegram
from words import DOUBT_MARK, NO_SCALE, READER_MARK, SAYS_NOTHING, USER_MARK, number, say

STYLE = Path(__file__).parent / "web" / "report.css"
# What a clinician looks at first.
GLANCE = (
    "ANB", "Wits", "FMA", "Face height ratio", "U1-SN", "IMPA", "Interincisal", "Overjet", "Overbite", "Li-E line",
)  # fmt: skip
TALLEST_FILM = 1500  # px of the picture in the page
MOST_CAUTIONS = 4  # that the first sheet has room for
POINT_COLOURS = {USER: "#3fa7ff", READER: "#ffb347"}
EXPERT_COLOUR = "#ff5a36"
NO_TARGET = "No norm is a target for anyone."
NOT_A_DEVICE = "Not a medical device: for research and teaching only. Nothing here may decide how a patient is treated."


def report_page(
    reading: Reading,
    film: np.ndarray,
    language: str = "en",
    norm_set: str = DEFAULT_CHOICE,
    date: datetime.date | None = None,
) -> str:
    """The page as one HTML text that needs no other file.

    Args:
        film: (height, width) uint8.
        language: a key of `words.LANGUAGES`.
        norm_set: a key of `norms.NORM_CHOICES`.
        date: to be printed; today unless given.
    """
    table = reading.measurements(norm_set)
    head = page_head(reading, language, date or datetime.date.today())
    first = [head, upper_half(reading, film, table, language), wigglegrams(table, language)]
    second = [head, measurement_table(table, language), notes(reading, table, norm_set, language)]
    sheets = "".join(
        f'<section class="sheet">{"".join(parts)}{page_foot(number, language)}</section>'
        for number, parts in enumerate((first, second), 1)
    )
    return (
        f'<!doctype html>\n<html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # The page runs nothing and fetches nothing, whatever a name in it may try.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(say('Cephalometric report', language))}: {escape(reading.name)}</title>"
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body>{sheets}</body></html>\n"
    )


def page_head(reading: Reading, language: str, date: datetime.date) -> str:
    """Title, film and date, at the top of both sheets."""
    width, height = reading.film_size
    return (
        f"<header><div><h1>{say('Cephalometric report', language)}</h1>"
        f'<p class="film-name">{escape(reading.name)}</p></div>'
        f'<div class="meta">{say("Date", language)} {date.isoformat()}<br>{width} × {height} px</div></header>'
    )


def page_foot(number: int, language: str) -> str:
    """What this is not, at the bottom of both sheets."""
    return f"<footer><b>{say(NOT_A_DEVICE, language)}</b><span>{number} / 2</span></footer>"


# --- first sheet ------------------------------------------------------------------------------------------------------


def upper_half(reading: Reading, film: np.ndarray, table: dict[str, dict], language: str) -> str:
    """The film traced, and beside it what is to be known first."""
    facts = [
        facts_block("At a glance", glance(table, language), language),
        facts_block("CVM stage", stage_words(reading, film, language), language),
        facts_block("Scale", scale_words(reading, language), language),
        facts_block("Warnings", caution_words(reading, language), language),
    ]
    return (
        f'<div class="upper"><div><div class="film">{draw_film_svg(reading, film)}</div>{point_key(reading, language)}'
        f'</div><div class="facts">{"".join(facts)}</div></div>'
    )


def facts_block(title: str, content: str, language: str) -> str:
    """A titled block, or nothing where there is nothing to say."""
    return f"<section><h2>{say(title, language)}</h2>{content}</section>" if content else ""


def draw_film_svg(reading: Reading, film: np.ndarray) -> str:
    """The film with its tracing and points as vectors in film pixels."""
    width, height = reading.film_size
    unit = max(width, height) / 800.0
    # A pixel's centre is at whole numbers, so the picture begins half a pixel before zero.
    frame = f'x="-0.5" y="-0.5" width="{width}" height="{height}"'
    view = f'viewBox="-0.5 -0.5 {width} {height}" role="img" aria-label="{escape(reading.name)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>',
        f'<image {frame} href="data:image/jpeg;base64,{jpeg_base64(film)}"/>',
    ]
    for line in LINES:
        corners_px = draw_line(line, reading.points_px)
        if corners_px is not None:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners_px)
            parts.append(
                f'<polyline points="{corners}" style="fill:none;stroke:{KIND_COLOURS[line.kind]};'
                f'stroke-width:{1.1 * unit:.2f};opacity:0.85"/>'
            )
    parts += [draw_point(reading, index, unit) for index in np.flatnonzero(reading.known)]
    return "".join([*parts, *draw_symbols(reading, unit), "</svg>"])


def draw_point(reading: Reading, index: int, unit: float) -> str:
    """A point and the circle of its radius."""
    x, y = reading.points_px[index]
    colour = POINT_COLOURS.get(reading.taught_by[index], EXPERT_COLOUR)
    radius = reading.radius95_px[index]
    circle = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" '
        f'style="fill:none;stroke:{colour};stroke-width:{0.6 * unit:.2f};opacity:0.6"/>'
        if radius > 0
        else ""
    )
    return f'{circle}<circle cx="{x:.1f}" cy="{y:.1f}" r="{2.6 * unit:.1f}" style="fill:{colour}"/>'


def draw_symbols(reading: Reading, unit: float) -> list[str]:
    """Each point's symbol beside it, where it hides least of the points and of the other symbols."""
    size = 11.5 * unit
    dots_px = reading.points_px[reading.known]
    taken = np.hstack([dots_px - 2.6 * unit, dots_px + 2.6 * unit])  # (M, 4) boxes
    known = np.flatnonzero(reading.known)
    sizes_px = {index: np.array([0.62 * size * len(SYMBOLS[index]), 0.8 * size]) for index in known}
    parts = []
    for index, box, end_px in place_labels(reading.points_px, sizes_px, taken, reading.film_size, unit):
        if end_px is not None:
            parts.append(draw_leader(reading.points_px[index], end_px, unit))
        parts.append(
            f'<text x="{box[0]:.1f}" y="{box[3]:.1f}" style="font-size:{size:.1f}px;fill:#fff;paint-order:stroke;'
            f'stroke:#000;stroke-width:{2.2 * unit:.1f}px">{escape(SYMBOLS[index])}</text>'
        )
    return parts


def draw_leader(point_px: np.ndarray, end_px: np.ndarray, unit: float) -> str:
    """The line from a point to its symbol."""
    (x1, y1), (x2, y2) = point_px, end_px
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'style="stroke:#fff;stroke-width:{0.6 * unit:.2f};opacity:0.8"/>'
    )


def jpeg_base64(film: np.ndarray) -> str:
    """The film as JPEG, no larger than the page needs."""
    shrink = min(1.0, TALLEST_FILM / max(film.shape))
    size = tuple(max(1, round(side * shrink)) for side in film.shape[::-1])
    small = cv2.resize(film, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done, f"OpenCV could not encode a film of shape {film.shape}"
    return base64.b64encode(data.tobytes()).decode("ascii")


def point_key(reading: Reading, language: str) -> str:
    """What the points' colours and circles mean, as far as the film has such."""
    taught = {reading.taught_by[index] for index in np.flatnonzero(reading.known)}
    words = {
        EXPERT_COLOUR: "taught by experts" if taught - {READER, USER} else "",
        POINT_COLOURS[READER]: "taught by readers who are no clinicians" if READER in taught else "",
        POINT_COLOURS[USER]: "placed by the user" if USER in taught else "",
    }
    spots = [f'<span style="color:{colour}">●</span> {say(text, language)}' for colour, text in words.items() if text]
    if (reading.radius95_px[reading.known] > 0).any():
        spots.append("○ " + say("holds the true point on 95 % of films", language))
    return f'<p class="key">{" &nbsp; ".join(spots)}</p>'


def glance(table: dict[str, dict], language: str) -> str:
    """The measurements that a clinician looks at first, with their readings."""
    rows = "".join(
        f"<tr><td>{escape(say(name, language))}</td><td>{number(table[name]['value'])}{UNITS[table[name]['unit']]}</td>"
        f"<td>{reading_words(table[name], language)}</td></tr>"
        for name in GLANCE
        if name in table
    )
    return f'<table class="glance">{rows}</table>' if rows else ""


def stage_words(reading: Reading, film: np.ndarray, language: str) -> str:
    """The CVM stage with the probability of each, the reason in words, and the neck with its points."""
    stage = describe_stage(reading)
    if stage is None:
        return ""
    shown = " or ".join(str(each) for each in stage["stages"])
    parts = [f"<b>{say(f'stage {shown}', language)}</b>"] if shown else []
    if stage["probabilities"]:
        bars = "".join(
            f'<div>{100 * share:.0f}<i style="height:{7 * share:.2f}mm"></i>{index}</div>'
            for index, share in enumerate(stage["probabilities"], 1)
        )
        parts.append(f'<div class="bars">{bars}</div>')
    words = [f'<div class="named">{"".join(parts)}</div>'] if parts else []
    if stage.get("reason"):
        words.append(f"<p>{say('By the shape of the vertebrae', language)}: {say(stage['reason'], language)}</p>")
    neck = f'<div class="neck">{draw_neck_svg(stage, film)}</div>' if stage["roi"] else ""
    return f'<div class="stage"><div>{"".join(words)}</div>{neck}</div>'


def draw_neck_svg(stage: dict, film: np.ndarray) -> str:
    """The region of the cervical vertebrae with its points, of `describe_stage`."""
    left, top, width, height = (round(stage["roi"][side]) for side in ("left", "top", "width", "height"))
    left, top = max(left, 0), max(top, 0)
    crop = film[top : top + height, left : left + width]
    if crop.size == 0:
        return ""
    height, width = crop.shape
    dots = "".join(
        f'<circle cx="{point["x"]:.1f}" cy="{point["y"]:.1f}" r="{0.018 * height:.1f}" style="fill:{EXPERT_COLOUR}"/>'
        for point in stage["points"].values()
    )
    frame = f'x="{left - 0.5}" y="{top - 0.5}" width="{width}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left - 0.5} {top - 0.5} {width} {height}" role="img" '
        f'aria-label="C2-C4"><image {frame} href="data:image/jpeg;base64,{jpeg_base64(crop)}"/>{dots}</svg>'
    )


def scale_words(reading: Reading, language: str) -> str:
    """The pixel size and whence it comes, or why there are no lengths."""
    if reading.pixel_size_mm is None:
        return f"<p>{say(NO_SCALE, language)}</p>"
    source = f" ({escape(say(reading.scale_source, language))})" if reading.scale_source else ""
    return f"<p>{say(f'One pixel is {reading.pixel_size_mm:.4g} mm.', language)}{source}</p>"


def caution_words(reading: Reading, language: str) -> str:
    """The film's warnings."""
    cautions = [escape(say(text, language)) for text in reading.cautions()]
    if len(cautions) > MOST_CAUTIONS:
        more = say(f"and {len(cautions) - MOST_CAUTIONS + 1} more, in the JSON file", language)
        cautions = [*cautions[: MOST_CAUTIONS - 1], more]
    return "".join(f'<p class="caution">{text}</p>' for text in cautions)


def wigglegrams(table: dict[str, dict], language: str) -> str:
    """All measurements as deviations, a zigzag for each group, in two columns."""
    drawn = [wigglegram(table, list(names), language, say(group, language)) for group, names in GROUPS.items()]
    jaws, vertical, teeth, skin = drawn
    return f'<div class="wiggles"><div>{jaws}{teeth}</div><div>{vertical}{skin}</div></div>'


# --- second sheet -----------------------------------------------------------------------------------------------------


def measurement_table(table: dict[str, dict], language: str) -> str:
    """Every measurement with its interval, norm, deviation, reading and source."""
    columns = {
        "Measurement": "", "Value": "number", "95 % interval": "number", "Norm": "number", "Deviation": "number",
        "Reading": "words", "Norm of": "",
    }  # fmt: skip
    head = "".join(f'<th class="{kind}">{say(column, language)}</th>' for column, kind in columns.items())
    rows = []
    for group, names in GROUPS.items():
        present = [name for name in names if name in table]
        if present:
            rows.append(f'<tr class="group"><td colspan="7">{say(group, language)}</td></tr>')
        rows += [measurement_row(name, table[name], language) for name in present]
    return (
        f'<div class="scroll"><table class="measures"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def measurement_row(name: str, row: dict, language: str) -> str:
    """A measurement's line of the table."""
    unit = UNITS[row["unit"]]
    marks = (READER_MARK if row["reader_taught"] else "") + (USER_MARK if row["edited"] else "")
    interval = "" if row["low95"] is None else f"{number(row['low95'])} – {number(row['high95'])}"
    if row["sd"] is None:
        norm = f"{number(row['norm_low'], 'g')} – {number(row['norm_high'], 'g')}"
    else:
        norm = f"{number(row['norm'], 'g')} ± {number(row['sd'], 'g')}"
    deviation = "" if row["deviation"] is None else number(row["deviation"], "+.1f") + " SD"
    cells = (f"{number(row['value'])}{unit}", interval, norm, deviation)
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    return (
        f"<tr><td>{escape(say(name, language))}{marks}</td>{numbers}<td class=words>{reading_words(row, language)}</td>"
        f'<td class="soft">{escape(say(row["norm_set"], language))}</td></tr>'
    )


def reading_words(row: dict, language: str) -> str:
    """A reading in words, with a mark where its interval allows another."""
    arrow = {"low": "▼ ", "high": "▲ "}.get(row["level"], "")
    doubt = f" {DOUBT_MARK}" if is_doubtful(row) else ""
    return f'<span class="{row["level"]}">{arrow}{escape(say(row["reading"], language))}{doubt}</span>'


def notes(reading: Reading, table: dict[str, dict], norm_set: str, language: str) -> str:
    """What the marks mean, for whom the norms hold, and which weights read the film."""
    rows = table.values()
    marks = {
        f"{say(TOO_UNCERTAIN, language)}: ": any(row["level"] == UNSURE for row in rows) and SAYS_NOTHING,
        f"{READER_MARK} ": any(row["reader_taught"] for row in rows) and "rests on a point that readers taught",
        f"{USER_MARK} ": any(row["edited"] for row in rows) and "rests on a point of the user's: taken as certain",
        f"{DOUBT_MARK} ": any(map(is_doubtful, rows)) and "the interval reaches into another reading",
    }
    meaning = " &nbsp; ".join(mark + say(words, language) for mark, words in marks.items() if words)
    chosen = f"{say(norm_set, language)} ({say(NORM_CHOICES[norm_set][0], language)})"
    used = {row["norm_set"] for row in rows}
    sets = "".join(
        f"<li><b>{escape(say(name, language))}</b> ({escape(source)}): {escape(say(holds_for, language))}</li>"
        for name, (source, holds_for) in NORM_SETS.items()
        if name in used
    )
    weights = f"<p>{say('Weights', language)}: {escape(', '.join(reading.weights))}</p>" if any(reading.weights) else ""
    return (
        f'<div class="notes"><p>{meaning}</p><p>{say("Norms", language)}: {chosen}. '
        f'{say(NO_TARGET, language)}</p><ul class="sets">{sets}</ul>{weights}</div>'
    )
