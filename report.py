"""The figures of `scoring.py` as text: the tables that evaluate.py prints."""

import numpy as np

from config import STAGE_COUNT, SYMBOLS
from films import Film
from inference import Prediction
from metrics import mean_and_deviation, success_rate
from scoring import measure_errors

KINDS = (("mean", "mean of both"), ("senior", "senior"), ("junior", "junior"))


def describe_figures(figures: dict) -> str:
    """All tables of a split."""
    parts = []
    if figures["landmarks"] is not None:
        parts += [describe_headline(figures["landmarks"]), describe_landmarks(figures), describe_machines(figures["landmarks"])]
    if figures["cvm"] is not None:
        parts.append(describe_stages(figures["cvm"]))
    return "\n\n".join(parts)


def describe_headline(landmarks: dict) -> str:
    """The headline, and the line of readers' points."""
    truth = {"mean": "mean of both annotators", "official": "ceil of the annotators' mean"}.get(landmarks["truth"], landmarks["truth"])
    lines = [f"Landmarks ({landmarks['count']} expert points, truth: {truth})", "  " + describe_errors(landmarks)]
    if landmarks["mre_mm_interval95"] is not None:
        low, high = landmarks["mre_mm_interval95"]
        lines.append(f"  95 % interval of the MRE over films: {low:.3f} to {high:.3f} mm")
    else:
        lines.append("  no film has a pixel size, so there are no millimetres")
    lines.append(f"  in film pixels {show(landmarks['mre_px'], 2)}, in pixels of a 256 x 256 stretch {show(landmarks['mre_px256'], 2)}")
    if landmarks["missing"]:
        lines.append(f"  {landmarks['missing']} true points have no prediction and are not counted")
    radii = landmarks["coverage95"]
    if radii["pooled"] is not None:
        worst = min(radii["per_landmark"], key=radii["per_landmark"].get)
        lines.append(
            f"  95 % radii hold {100 * radii['pooled']:.1f} % of all points, at worst {100 * radii['per_landmark'][worst]:.1f} % ({worst}); "
            f"error of the quarter with the largest radii over that with the smallest: {show(radii['quarter_ratio'], 2)}"
        )
    if landmarks["readers"] is not None:
        lines.append(f"Points placed by readers ({landmarks['readers']['count']}): {describe_errors(landmarks['readers'])}")
    return "\n".join(lines)


def describe_errors(part: dict) -> str:
    """Mean error and success rates in one line."""
    if part["mre_mm"] is None:
        return f"MRE {show(part['mre_px'], 2)} px"
    rates = "/".join(show(rate, 2) for rate in part["sdr"].values())
    return f"MRE {part['mre_mm']:.3f} +- {part['mre_sd_mm']:.3f} mm, SDR at 2/2.5/3/4 mm {rates} %"


def describe_landmarks(figures: dict) -> str:
    """A row for each landmark."""
    lines = [f"{'landmark':10}{'films':>6}{'MRE mm':>9}{'SD mm':>8}{'SDR2 %':>8}{'MRE px':>9}{'annotators mm':>15}  taught by"]
    apart = figures.get("annotators", {}).get("per_landmark_mm", {})
    for symbol, row in figures["landmarks"]["per_landmark"].items():
        numbers = f"{show(row['mre_mm'], 3):>9}{show(row['sd_mm'], 3):>8}{show(row['sdr']['2.0'], 1):>8}{row['mre_px']:>9.2f}"
        lines.append(f"{symbol:10}{row['n']:>6}{numbers}{show(apart.get(symbol), 3):>15}  {row['taught_by']}")
    return "\n".join(lines)


def describe_machines(landmarks: dict) -> str:
    """A row for each machine."""
    width = max(len(name) for name in ["machine", *landmarks["per_machine"]]) + 2
    lines = [f"{'machine':{width}}{'films':>6}{'MRE mm':>9}{'SDR2 %':>8}{'MRE px':>9}"]
    for name, row in landmarks["per_machine"].items():
        numbers = f"{show(row['mre_mm'], 3):>9}{show(row['sdr']['2.0'], 1):>8}{row['mre_px']:>9.2f}"
        lines.append(f"{name:{width}}{row['films']:>6}{numbers}")
    return "\n".join(lines)


def describe_stages(stages: dict) -> str:
    """The CVM figures, the majority baseline and the confusion."""
    lines = [f"CVM stage ({stages['films']} films)"]
    for name, part in (("model", stages), ("majority", stages["majority"])):
        lines.append(
            f"  {name:9} accuracy {part['accuracy']:.3f}, macro-F1 {part['macro_f1']:.3f}, quadratic kappa {part['qwk']:.3f}, "
            f"MAE {part['mae']:.3f}, within one stage {part['within_one']:.3f}, calibration error {part['ece']:.3f}"
        )
    lines.append("  confusion  " + "".join(f"{'S' + str(stage):>5}" for stage in range(1, STAGE_COUNT + 1)) + "  (columns: named)")
    for stage, row in enumerate(stages["confusion"], start=1):
        lines.append(f"  true S{stage}    " + "".join(f"{count:>5}" for count in row))
    return "\n".join(lines)


def compare_annotators(films: list[Film], predictions: list[Prediction]) -> dict:
    """The annotators' distance from each other, and the model's from each of them, over the same expert points, mm."""
    errors = {kind: measure_errors(films, predictions, kind) for kind, _ in KINDS}
    pixel_sizes = np.array([film.pixel_size_mm or np.nan for film in films])[:, None]
    apart_mm = errors["mean"].of_experts(np.array([film.disagreement_px() for film in films]) * pixel_sizes)
    per_landmark = {symbol: mean_and_deviation(apart_mm[:, column])[0] for column, symbol in enumerate(SYMBOLS)}
    table = {"annotators": summary(apart_mm)}
    table |= {kind: summary(errors[kind].of_experts(errors[kind].mm)) for kind, _ in KINDS}
    return table | {"per_landmark_mm": {symbol: value for symbol, value in per_landmark.items() if not np.isnan(value)}}


def summary(errors_mm: np.ndarray) -> dict:
    """Mean, median and success rate at 2 mm; None without a known error."""
    known = errors_mm[~np.isnan(errors_mm)]
    if not known.size:
        return {"mean_mm": None, "median_mm": None, "sdr2": None}
    return {"mean_mm": float(known.mean()), "median_mm": float(np.median(known)), "sdr2": success_rate(known, 2.0)}


def describe_annotators(table: dict) -> str:
    """`compare_annotators` as text."""
    names = {"annotators": "annotators to each other"} | {kind: f"model to {text}" for kind, text in KINDS}
    lines = [f"{'distance':26}{'mean mm':>9}{'median mm':>11}{'within 2 mm %':>15}"]
    for key, name in names.items():
        row = table[key]
        lines.append(f"{name:26}{show(row['mean_mm'], 3):>9}{show(row['median_mm'], 3):>11}{show(row['sdr2'], 1):>15}")
    return "\n".join(lines)


def published_row(figures: dict) -> str:
    """The row to put beside published ones, in Markdown."""
    landmarks = figures["landmarks"]
    rates = " | ".join(show(rate, 2) for rate in landmarks["sdr"].values())
    error = f"{show(landmarks['mre_mm'], 3)} ± {show(landmarks['mre_sd_mm'], 3)}"
    protocol = f"{figures['dataset']} {figures['split']}, {figures['films']} films, {landmarks['count']} points, {landmarks['truth']}"
    return f"| {figures['model']} | {protocol} | {error} | {rates} |"


def show(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
