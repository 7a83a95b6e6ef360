"""The figures of `scoring.py` as text: the tables that evaluate.py prints."""

import numpy as np

from config import STAGE_COUNT, SYMBOLS
from films import Film
from inference import Prediction
from metrics import mean_and_deviation, success_rate
from scoring import SN_LENGTH_MM, measure_errors

KINDS = (("mean", "mean of both"), ("senior", "senior"), ("junior", "junior"))


def describe_figures(figures: dict) -> str:
    """All tables of a split."""
    parts = []
    if figures["landmarks"] is not None:
        headline = describe_headline(figures["landmarks"], figures.get("films_without_pixel_size", 0))
        parts += [headline, *describe_reliability(figures["landmarks"]["coverage95"])]
        parts += [describe_landmarks(figures), describe_machines(figures["landmarks"])]
    if figures["cvm"] is not None:
        parts.append(describe_stages(figures["cvm"]))
    return "\n\n".join(parts)


def describe_headline(landmarks: dict, films_without_pixel_size: int = 0) -> str:
    """The headline, and the line of readers' points."""
    truths = {"mean": "mean of both annotators", "official": "ceil of the annotators' mean"}
    truth = truths.get(landmarks["truth"], landmarks["truth"])
    lines = [f"Landmarks ({landmarks['count']} expert points, truth: {truth})", "  " + describe_errors(landmarks)]
    if landmarks["mre_mm_interval95"] is not None:
        low, high = landmarks["mre_mm_interval95"]
        lines.append(f"  95 % interval of the MRE over films: {low:.3f} to {high:.3f} mm")
        if films_without_pixel_size:
            lines.append(f"  {films_without_pixel_size} films have no pixel size; their points count in px alone")
    elif landmarks["count"]:
        lines.append("  no film has a pixel size, so there are no millimetres")
    px, px256 = show(landmarks["mre_px"], 2), show(landmarks["mre_px256"], 2)
    lines.append(f"  in film pixels {px}, in pixels of a 256 x 256 stretch {px256}")
    scaled = landmarks["sn_scaled"]
    if scaled["mre_mm"] is not None:
        rates = "/".join(show(rate, 2) for rate in scaled["sdr"].values())
        lines.append(f"  if S-N were {SN_LENGTH_MM:.0f} mm on every film: {scaled['mre_mm']:.3f} mm, {rates} %")
    if landmarks["refused"]:
        refused = 100 * landmarks["refused"]
        lines.append(f"  {refused:.1f} % of these films would be refused, because no head is seen on them")
    if landmarks["missing"]:
        lines.append(f"  {landmarks['missing']} true points have no prediction and are not counted")
    if landmarks["coverage95"]["pooled"] is not None:
        lines.append("  " + describe_coverage(landmarks["coverage95"]))
    readers = landmarks["readers"]
    if readers is not None:
        lines.append(f"Points placed by readers ({readers['count']}): {describe_errors(readers)}")
        if 0 < readers["sure"]["count"] < readers["count"]:
            sure = readers["sure"]
            lines.append(f"  without those they were unsure of ({sure['count']}): {describe_errors(sure)}")
    return "\n".join(lines)


def describe_coverage(radii: dict) -> str:
    """What the radii hold, and whether large ones mean large errors."""
    worst = min(radii["per_landmark"], key=radii["per_landmark"].get)
    return (
        f"95 % radii hold {100 * radii['pooled']:.1f} % of all points, "
        f"at worst {100 * radii['per_landmark'][worst]:.1f} % ({worst}); error of the quarter with the largest "
        f"radii over that with the smallest: {show(radii['quarter_ratio'], 2)}"
    )


def describe_reliability(radii: dict) -> list[str]:
    """Whether small radii mean small errors: a row for each fifth of the experts' points; nothing without radii."""
    if not radii["reliability_mm"]:
        return []
    lines = [f"{'points by their radius':26}{'mean radius mm':>15}{'mean error mm':>15}{'held %':>9}"]
    for number, row in enumerate(radii["reliability_mm"], start=1):
        title = f"{number}. of {len(radii['reliability_mm'])} equal parts"
        lines.append(f"{title:26}{row['radius']:>15.2f}{row['error']:>15.2f}{100 * row['held']:>9.1f}")
    return ["\n".join(lines)]


def describe_errors(part: dict) -> str:
    """Mean error and success rates in one line."""
    if part["mre_mm"] is None:
        return f"MRE {show(part['mre_px'], 2)} px"
    rates = "/".join(show(rate, 2) for rate in part["sdr"].values())
    return f"MRE {part['mre_mm']:.3f} +- {part['mre_sd_mm']:.3f} mm, SDR at 2/2.5/3/4 mm {rates} %"


def describe_landmarks(figures: dict) -> str:
    """A row for each landmark."""
    annotators = figures.get("annotators", {})
    unit = "mm" if annotators.get("per_landmark_mm") else "px"
    apart = annotators.get(f"per_landmark_{unit}", {})
    columns = f"{'MRE mm':>9}{'SD mm':>8}{'SDR2 %':>8}{'MRE px':>9}{'annotators ' + unit:>15}"
    lines = [f"{'landmark':10}{'films':>6}{columns}  taught by"]
    for symbol, row in figures["landmarks"]["per_landmark"].items():
        numbers = f"{show(row['mre_mm'], 3):>9}{show(row['sd_mm'], 3):>8}{show(row['sdr']['2.0'], 1):>8}"
        numbers += f"{row['mre_px']:>9.2f}"
        lines.append(f"{symbol:10}{row['n']:>6}{numbers}{show(apart.get(symbol), 3):>15}  {row['taught_by']}")
    return "\n".join(lines)


def describe_machines(landmarks: dict) -> str:
    """A row for each machine."""
    width = max(len(name) for name in ["machine", *landmarks["per_machine"]]) + 2
    lines = [f"{'machine':{width}}{'films':>6}{'MRE mm':>9}{'SDR2 %':>8}{'MRE px':>9}{'S-N scaled':>12}"]
    for name, row in landmarks["per_machine"].items():
        scaled = show(row["sn_scaled"]["mre_mm"], 3)
        numbers = f"{show(row['mre_mm'], 3):>9}{show(row['sdr']['2.0'], 1):>8}{row['mre_px']:>9.2f}{scaled:>12}"
        lines.append(f"{name:{width}}{row['films']:>6}{numbers}")
    return "\n".join(lines)


def describe_stages(stages: dict) -> str:
    """The CVM figures, the majority baseline and the confusion."""
    lines = [f"CVM stage ({stages['films']} films)"]
    for name, part in (("model", stages), ("majority", stages["majority"])):
        lines.append(
            f"  {name:9} accuracy {part['accuracy']:.3f}, macro-F1 {part['macro_f1']:.3f}, "
            f"quadratic kappa {part['qwk']:.3f}, MAE {part['mae']:.3f}, "
            f"within one stage {part['within_one']:.3f}, calibration error {part['ece']:.3f}"
        )
    columns = "".join(f"{'S' + str(stage):>5}" for stage in range(1, STAGE_COUNT + 1))
    lines.append(f"  confusion  {columns}  (columns: named)")
    for stage, row in enumerate(stages["confusion"], start=1):
        lines.append(f"  true S{stage}    " + "".join(f"{count:>5}" for count in row))
    return "\n".join(lines)


def compare_annotators(films: list[Film], predictions: list[Prediction]) -> dict:
    """The annotators' distance from each other, and the model's from each of them and from their mean.

    All four are over the same points: experts' ones that both annotators and the model give.
    """
    errors = {kind: measure_errors(films, predictions, kind) for kind, _ in KINDS}
    apart_px = np.array([film.disagreement_px() for film in films])
    distances_px = {"annotators": apart_px} | {kind: each.px for kind, each in errors.items()}
    shared = ~np.isnan(sum(distances_px.values())) & ~errors["mean"].by_reader  # (N, 29)
    sizes_mm = np.array([film.pixel_size_mm or np.nan for film in films])[:, None]
    table = {}
    for name, lengths_px in distances_px.items():
        known_px = np.where(shared, lengths_px, np.nan)
        table[name] = summary(known_px, known_px * sizes_mm)
    apart_px = np.where(shared, apart_px, np.nan)
    return table | {
        "points": int(shared.sum()),
        "per_landmark_mm": column_means(apart_px * sizes_mm),
        "per_landmark_px": column_means(apart_px),
    }


def summary(lengths_px: np.ndarray, lengths_mm: np.ndarray) -> dict:
    """Mean and median in both units and the success rate at 2 mm; None without a known length."""
    row = {}
    for unit, lengths in (("mm", lengths_mm), ("px", lengths_px)):
        known = lengths[~np.isnan(lengths)]
        row[f"mean_{unit}"] = float(known.mean()) if known.size else None
        row[f"median_{unit}"] = float(np.median(known)) if known.size else None
    rate = success_rate(lengths_mm, 2.0)
    return row | {"sdr2": None if np.isnan(rate) else rate}


def column_means(lengths: np.ndarray) -> dict[str, float]:
    """(N, 29) lengths to the mean of each landmark that has any."""
    means = {symbol: mean_and_deviation(lengths[:, column])[0] for column, symbol in enumerate(SYMBOLS)}
    return {symbol: mean for symbol, mean in means.items() if not np.isnan(mean)}


def describe_annotators(table: dict) -> str:
    """`compare_annotators` as text, in pixels where there are no millimetres."""
    if not table["points"]:
        return "No point was placed by both annotators, so there is no disagreement to compare with."
    names = {"annotators": "annotators to each other"} | {kind: f"model to {text}" for kind, text in KINDS}
    unit = "px" if table["annotators"]["mean_mm"] is None else "mm"
    title = f"{table['points']} common points"
    lines = [f"{title:26}{'mean ' + unit:>9}{'median ' + unit:>11}{'within 2 mm %':>15}"]
    for key, name in names.items():
        mean, median = (show(table[key][f"{figure}_{unit}"], 3) for figure in ("mean", "median"))
        lines.append(f"{name:26}{mean:>9}{median:>11}{show(table[key]['sdr2'], 1):>15}")
    return "\n".join(lines)


def published_row(figures: dict) -> str:
    """The row to put beside published ones, in Markdown."""
    landmarks = figures["landmarks"]
    rates = " | ".join(show(rate, 2) for rate in landmarks["sdr"].values())
    error = f"{show(landmarks['mre_mm'], 3)} ± {show(landmarks['mre_sd_mm'], 3)}"
    if landmarks["mre_mm"] is None:
        error = f"{show(landmarks['mre_px'], 2)} px"
    films = f"{figures['dataset']} {figures['split']}, {figures['films']} films, {landmarks['count']} points"
    return f"| {figures['model']} | {films}, {landmarks['truth']} | {error} | {rates} |"


def show(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
