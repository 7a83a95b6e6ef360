"""What the page says of a film, as HTML: warnings, the table of measurements, the wigglegrams and the stage.

Everything that comes from a file or a user is escaped.
"""

import math
from html import escape
from typing import TYPE_CHECKING

from analysis import GROUPS, TOO_UNCERTAIN, UNSURE, is_doubtful
from config import STAGE_COUNT
from norms import DEFAULT_CHOICE
from wigglegram import UNITS, place, wigglegram
from words import DOUBT_MARK, NO_SCALE, READER_MARK, SAYS_NOTHING, USER_MARK, number, say

if TYPE_CHECKING:  # it brings PyTorch, for which the page does not wait
    from reading import Reading

BAR_WIDTH, BAR_HEIGHT, BAR_DEVIATIONS = 92.0, 14.0, 4.0  # of a row's picture: px, px, to either side


def sections(reading: "Reading", norm_set: str = DEFAULT_CHOICE, language: str = "en") -> dict[str, str]:
    """The parts of the page that follow the points, by name."""
    table = reading.measurements(norm_set)
    return {
        "warnings": warnings_panel(reading, language),
        "measures": measures_panel(table, language),
        "wiggles": wiggles_panel(table, language),
    }


# --- warnings ---------------------------------------------------------------------------------------------------------


def warnings_panel(reading: "Reading", language: str) -> str:
    """What a reader should know before trusting anything, each as a sentence."""
    label = escape(say("Set the scale", language))
    to_scale = f' <button type="button" class="link" data-do="to-scale">{label}</button>'
    items = [("caution", text, "") for text in reading.told]
    if reading.scale_caution:
        items.append(("caution", reading.scale_caution, to_scale))
    if reading.pixel_size_mm is None and reading.known.any():
        items.append(("hint", NO_SCALE, to_scale))
    items = [f'<li class="{kind}">{escape(say(text, language))}{more}</li>' for kind, text, more in items]
    return f"<ul>{''.join(items)}</ul>" if items else ""


# --- measurements -----------------------------------------------------------------------------------------------------


def measures_panel(table: dict[str, dict], language: str) -> str:
    """All measurements that the points allow, by group, beside their norms."""
    if not table:
        return f'<p class="nothing">{escape(say("Nothing can be measured without points.", language))}</p>'
    levels = [row["level"] for row in table.values()]
    outside, unsure = levels.count("low") + levels.count("high"), levels.count(UNSURE)
    count = say(
        f"{outside} of {len(table)} lie outside their norm's band: one standard deviation, or its author's range.",
        language,
    )
    count += " " + say(f"Too uncertain to read: {unsure}.", language) if unsure else ""
    titles = ("Measurement", "Value", "Deviation", "Norm")
    head = "".join(f'<th scope="col">{escape(say(title, language))}</th>' for title in titles)
    bodies = "".join(group_rows(name, names, table, language) for name, names in GROUPS.items())
    return (
        f'<p class="count">{escape(count)}</p>'
        f'<table class="measure-table"><thead><tr>{head}</tr></thead>{bodies}</table>'
        f"{footnotes(table, language)}{sources(table, language)}"
    )


def group_rows(title: str, names: tuple[str, ...], table: dict[str, dict], language: str) -> str:
    """One group of the table; nothing where the film has none of its measurements."""
    rows = "".join(measure_row(name, table[name], language) for name in names if name in table)
    head = f'<tr class="group"><th colspan="4" scope="colgroup">{escape(say(title, language))}</th></tr>'
    return f"<tbody>{head}{rows}</tbody>" if rows else ""


def measure_row(name: str, row: dict, language: str) -> str:
    """A measurement: its name, marks and reading, value and interval, deviation as a picture, norm."""
    unit = UNITS[row["unit"]]
    interval = ""
    if row["low95"] is not None:
        interval = f'<span class="interval">{number(row["low95"])} … {number(row["high95"])}</span>'
    norm_title = escape(f"{row['source']}: {say(row['holds_for'], language)}", quote=True)
    return (
        f'<tr class="{row["level"]}" data-measure="{escape(name, quote=True)}">'
        f'<th scope="row">{escape(say(name, language))}{marks(row, language)}'
        f'<span class="reading">{escape(say(row["reading"], language))}</span></th>'
        f'<td class="value">{number(row["value"])}{unit}{interval}</td>'
        f'<td class="deviation">{deviation_bar(row, language)}</td>'
        f'<td class="norm" title="{norm_title}">{norm_text(row)}'
        f'<span class="source">{escape(say(row["norm_set"], language))}</span></td></tr>'
    )


def marks(row: dict, language: str) -> str:
    """Signs behind a measurement's name: whose points it rests on, and whether its interval leaves the reading open."""
    signs = []
    if row["edited"]:
        signs.append((USER_MARK, say("rests on a point of the user's: taken as certain", language), row["edited"]))
    if row["reader_taught"]:
        signs.append((READER_MARK, say("rests on a point that readers taught", language), row["reader_taught"]))
    if is_doubtful(row):
        signs.append((DOUBT_MARK, say("the interval reaches into another reading", language), []))
    return "".join(sign_of(sign, f"{text} {' '.join(symbols)}".strip()) for sign, text, symbols in signs)


def sign_of(sign: str, text: str) -> str:
    """A sign with its meaning, to be seen on hover and to be heard."""
    text = escape(text, quote=True)
    return f'<span class="sign" title="{text}" aria-label="{text}" role="img">{sign}</span>'


def norm_text(row: dict) -> str:
    """A norm as its author gave it: mean ± deviation, or a range."""
    if row["sd"] is not None:
        return f"{row['norm']:g} ± {row['sd']:g}".replace("-", "−")
    return f"{row['norm_low']:g} … {row['norm_high']:g}".replace("-", "−")


def deviation_bar(row: dict, language: str) -> str:
    """A row's place beside the norm's band as a small SVG."""
    middle, left, right = BAR_HEIGHT / 2, across(-1), across(1)
    label = say("above the norm" if row["level"] == "high" else "below the norm", language)
    label = say(row["reading"], language) if row["level"] in ("normal", UNSURE) else label
    if row["deviation"] is not None:
        label += f" ({row['deviation']:+.1f} SD)"
    parts = [f'<rect class="band" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{BAR_HEIGHT:g}" rx="2"/>']
    if row["low95"] is not None:
        ends = across(place(row, row["low95"])), across(place(row, row["high95"]))
        parts.append(f'<path class="range" d="M{ends[0]:.1f} {middle:g}H{ends[1]:.1f}"/>')
    parts.append(value_mark(place(row, row["value"]), "dot" if row["deviation"] is not None else "dot hollow"))
    return (
        f'<svg viewBox="0 0 {BAR_WIDTH:g} {BAR_HEIGHT:g}" role="img" aria-label="{escape(label, quote=True)}">'
        f"<title>{escape(label)}</title>{''.join(parts)}</svg>"
    )


def across(where: float) -> float:
    """A place in standard deviations from the norm to the bar's x; what lies beyond the bar is at its end."""
    return BAR_WIDTH * (0.5 + 0.45 * max(-1.0, min(1.0, where / BAR_DEVIATIONS)))


def value_mark(where: float, kind: str) -> str:
    """The value on its bar: a dot, hollow where the norm is a range; beyond the bar an arrow, as in the wigglegram."""
    middle = BAR_HEIGHT / 2
    if abs(where) <= BAR_DEVIATIONS:
        return f'<circle class="{kind}" cx="{across(where):.1f}" cy="{middle:g}" r="3.4"/>'
    way = math.copysign(1.0, where)
    start = across(where) - 3 * way
    arrow = f"M{start:.1f} {middle - 4:g}L{start + 7 * way:.1f} {middle:g}L{start:.1f} {middle + 4:g}z"
    return f'<path class="{kind}" d="{arrow}"/>'


def footnotes(table: dict[str, dict], language: str) -> str:
    """What the signs in the table mean, as far as they occur."""
    rows = table.values()
    unsure = f"{say(TOO_UNCERTAIN, language)}:"
    notes = [
        (unsure, any(row["level"] == UNSURE for row in rows), SAYS_NOTHING),
        ("…", any(row["low95"] is not None for row in rows), "95 % interval"),
        ("○", any(row["deviation"] is None for row in rows), "a norm that its author gave as a range"),
        (USER_MARK, any(row["edited"] for row in rows), "rests on a point of the user's: taken as certain"),
        (READER_MARK, any(row["reader_taught"] for row in rows), "rests on a point that readers taught"),
        (DOUBT_MARK, any(map(is_doubtful, rows)), "the interval reaches into another reading"),
    ]
    items = "".join(
        f"<li><b>{escape(sign)}</b> {escape(say(text, language))}</li>" for sign, occurs, text in notes if occurs
    )
    return f'<ul class="footnotes">{items}</ul>' if items else ""


def sources(table: dict[str, dict], language: str) -> str:
    """Where each norm in the table comes from and for whom it holds."""
    used = {row["norm_set"]: row for row in table.values()}
    items = "".join(
        f"<li><b>{escape(say(name, language))}</b>: {escape(row['source'])}; "
        f"{escape(say(row['holds_for'], language))}</li>"
        for name, row in sorted(used.items())
    )
    title = escape(say("Sources of the norms", language))
    return f'<details class="sources" data-name="sources"><summary>{title}</summary><ul>{items}</ul></details>'


def wiggles_panel(table: dict[str, dict], language: str) -> str:
    """The wigglegram of every group."""
    shown = [(name, names) for name, names in GROUPS.items() if any(each in table for each in names)]
    return "".join(
        f'<figure class="wiggle">{wigglegram(table, list(names), language, say(name, language))}</figure>'
        for name, names in shown
    )


# --- stage ------------------------------------------------------------------------------------------------------------


def stage_panel(reading: "Reading", crop: str = "", language: str = "en") -> str:
    """The CVM stage with its probabilities and the reason in words, or why there is none.

    Args:
        crop: the neck's picture with its points, a data URI; empty where no neck was read.
    """
    parts = [f'<p class="stage-name">{escape(stage_title(reading, language))}</p>']
    if reading.cervical is not None:
        parts.append(neck_reason(reading.cervical, language))
    if reading.stage_probabilities is not None:
        bars = "".join(
            stage_bar(stage, float(reading.stage_probabilities[stage - 1]), stage == reading.stage, language)
            for stage in range(1, STAGE_COUNT + 1)
        )
        parts.append(f'<table class="stages">{bars}</table>')
    if reading.cervical is not None:
        parts.append(neck_image(crop, language))
    elif reading.stage is None:
        parts = [f'<p class="nothing">{escape(say(why_no_stage(reading), language))}</p>']
    return "".join(parts)


def stage_title(reading: "Reading", language: str) -> str:
    """The stage in words; both of two neighbours where the model cannot tell between them."""
    if reading.stage is None:
        rule = reading.cervical.geometry.rule if reading.cervical is not None else None
        return say("No stage is named." if rule is None else f"By the published rules: stage {rule}", language)
    stages = reading.cervical.stages if reading.cervical is not None and reading.cervical.stages else (reading.stage,)
    return say(f"CVM stage {' or '.join(map(str, stages))}", language)


def why_no_stage(reading: "Reading") -> str:
    """Why nothing is said of the neck."""
    of_stage = [text for text in reading.told if "CVM stage" in text]
    if of_stage:
        return of_stage[0]
    if reading.told and not reading.known.any():  # refused as a whole: why, its first warning says
        return reading.told[0]
    return "These weights do not read the neck, so no CVM stage is named."


def neck_image(crop: str, language: str) -> str:
    """The neck's picture, where there is one."""
    label = escape(say("The neck with its points", language), quote=True)
    return f'<img class="neck" src="{escape(crop, quote=True)}" alt="{label}">' if crop else ""


def neck_reason(cervical, language: str) -> str:
    """What the published rules make of the neck's shape, and why."""
    parts = []
    if cervical.geometry.rule is not None and cervical.stage is not None:
        rule = say(f"By the published rules: stage {cervical.geometry.rule}", language)
        parts.append(f"<p>{escape(rule)}</p>")
    if cervical.geometry.reason:
        parts.append(f'<p class="reason">{escape(say(cervical.geometry.reason, language))}</p>')
    return "".join(parts)


def stage_bar(stage: int, probability: float, chosen: bool, language: str) -> str:
    """A stage's row: its name, its probability as a bar and in percent."""
    name = escape(say(f"stage {stage}", language))
    percent = round(100 * probability)
    return (
        f'<tr class="{"chosen" if chosen else ""}"><th scope="row">{name}</th>'
        f'<td class="bar"><i style="width:{percent}%"></i></td><td class="percent">{percent} %</td></tr>'
    )
