"""What describes weights on the Hub: config.json, metrics.json, and the model card with its evaluation results.

Everything comes from the configs and the records (`sharing.make_record`) of the files that are pushed.
"""

import json

from config import STAGE_COUNT, UserError, config_from_json
from sharing import PARTS, Repository, Share, describe_films, file_name, headline, table

TASKS = {
    "landmarks": ("keypoint-detection", "Cephalometric landmarks on lateral skull films"),
    "vertebrae": ("keypoint-detection", "Points of the cervical vertebrae C2 to C4 on lateral skull films"),
    "cvm": ("image-classification", "Cervical vertebral maturation stage on lateral skull films"),
}
PURPOSES = {
    "landmarks": "cephalometric landmarks with sub-pixel positions",
    "vertebrae": "the 13 points of the vertebrae C2, C3 and C4",
    "cvm": "the stage of cervical vertebral maturation (CVM), 1 to 6",
}
METRICS = {
    "landmarks": {"mre_mm": "Mean radial error, mm", "mre_px": "Mean radial error, film pixels"},
    "vertebrae": {
        "mean_mm": "Mean radial error, mm (whole films)",
        "mean_px": "Mean radial error, pixels of the picture",
        "relative": "Mean radial error, share of the distance from C3 to C4",
        "slipped": "Necks read one vertebra too high or too low",
    },
    "cvm": {
        "qwk": "Cohen's kappa, quadratic weights",
        "accuracy": "Accuracy",
        "macro_f1": "Macro-F1",
        "mae": "Mean absolute error, stages",
        "within_one": "Share within one stage",
        "ece": "Expected calibration error",
    },
}
TAGS = ["medical-imaging", "cephalometry", "orthodontics", "radiography", "landmark-detection"]
TRAINING = ("image_size", "epochs", "batch_size", "learning_rate", "schedule", "augmentation", "loss", "seed")
STAGE_TRAINING = ("loss", "members", "parts", "balance", "seed")  # of cvm, which has no epochs
DESCRIBED = """\
`vertebrae` describes each neck to `cvm`, also those whose points taught it: cross-validated figures may be too good by
that, figures of other films are not."""
INTENDED = """\
For research and teaching: measuring lateral cephalograms in studies, preparing annotation that people then correct,
teaching how such measurements come about. **Not a medical device.** Nothing here may decide how a patient is treated,
and no point should be used that a trained person has not looked at."""
LIMITS = """\
* The figures hold for films like those they were measured on: other machines, ages, populations, fixed appliances,
  missing teeth and poor exposure make errors larger, and nothing here says by how much.
* Millimetres are only as right as the films' pixel sizes. In public data sets many are not.
* Truth is what annotators marked. They differ from each other, often by as much as the model does from them.
* Points marked "reader" were taught by people who are no clinicians.
* Stages of the very young and of adults are rare in every set, so their figures rest on few films.
* Who the patients are was not known in training, so fairness over sex, age and origin was not measured."""


def files_to_commit(repo_id: str, chosen: list[Share], there: Repository, licence: str) -> dict[str, bytes]:
    """Every file of a commit by name: the weights, and what describes them together with those that stay."""
    configs = there.configs | {share.part: share.config for share in chosen}
    records = there.records | {share.part: share.record for share in chosen}
    texts = {
        "config.json": json.dumps(configs, indent=1, sort_keys=True) + "\n",
        "metrics.json": json.dumps(records, indent=1, sort_keys=True) + "\n",
        "README.md": make_card(repo_id, configs, records, licence),
    }
    weights = {file_name(share.part): share.data for share in chosen}
    return weights | {name: text.encode("utf-8") for name, text in texts.items()}


def make_card(repo_id: str, configs: dict, records: dict, licence: str) -> str:
    """README.md of a repository that holds these files."""
    lines = [f"{key}: {json.dumps(value)}" for key, value in front_matter(repo_id, records, licence).items()]
    return "\n".join(["---", *lines, "---", "", card_text(repo_id, configs, records, licence)])  # JSON is YAML, too


def front_matter(repo_id: str, records: dict, licence: str) -> dict:
    """What the Hub itself reads of a card."""
    finds_points = bool(set(records) - {"cvm"})
    name = repo_id.split("/")[-1]
    return {
        "license": licence,
        "library_name": "pytorch",
        "pipeline_tag": TASKS["landmarks" if finds_points else "cvm"][0],
        "tags": TAGS + (["cervical-vertebral-maturation"] if "cvm" in records else []),
        "model-index": [{"name": name, "results": evaluation_results(records)}],
    }


def evaluation_results(records: dict) -> list[dict]:
    """The published figures of each file, in the Hub's form."""
    results = []
    for part in in_order(records):
        judged = table(records[part], "judged")
        figures = published_figures(part, records[part])
        if judged and figures:
            task, title = TASKS[part]
            dataset = str(judged.get("dataset"))
            results.append({
                "task": {"type": task, "name": title},
                "dataset": {"type": dataset.lower(), "name": dataset, "split": judged.get("split")},
                "metrics": [{"type": kind, "name": name, "value": value} for kind, name, value in figures],
            })  # fmt: skip
    return results


def published_figures(part: str, record: dict) -> list[tuple[str, str, float]]:
    """(identifier, title, value) of a file's main figures; those that it lacks are left out."""
    figures = table(record, part)
    limits = table(figures, "sdr" if part == "landmarks" else "within_mm")
    coverage = table(figures, "coverage95").get("pooled", figures.get("coverage95"))
    rows = [(name, title, figures.get(name)) for name, title in METRICS[part].items()]
    rows += [(f"sdr_{limit}mm", f"Success detection rate at {limit} mm, %", rate) for limit, rate in limits.items()]
    rows.append(("coverage95", "Share of points within their 95 % radius", coverage))
    return [row for row in rows if isinstance(row[2], (int, float))]


def card_text(repo_id: str, configs: dict, records: dict, licence: str) -> str:
    """The card below its front matter."""
    parts = in_order(records)
    sections = [
        f"# {repo_id.split('/')[-1]}",
        f"Weights that read lateral cephalograms: {', '.join(PURPOSES[part] for part in parts)}.",
        "**Not a medical device.** For research and teaching.",
        "## Files\n" + describe_files(configs, records),
        "## How to use\n" + describe_use(repo_id),
        "## Evaluation\n" + "\n\n".join(describe_evaluation(part, records[part]) for part in parts),
        "## Training\n" + "\n".join(describe_training(part, configs.get(part), records[part]) for part in parts),
        "## Intended use\n" + INTENDED,
        "## Limits and bias\n" + LIMITS,
        "## Privacy\nThe files hold weights, settings and figures: no film, and no name of a film, person or place.",
        f"## Licence\nCode: MIT. Weights: {licence}. The films that taught them have terms of their own.",
    ]
    return "\n\n".join(sections) + "\n"


def in_order(records: dict) -> list[str]:
    """The files that are there, in the order of `PARTS`."""
    return [part for part in PARTS if part in records]


def describe_files(configs: dict, records: dict) -> str:
    """A row for each file."""
    lines = ["| file | model | finds | judged by |", "|---|---|---|---|"]
    for part in in_order(records):
        figure = headline(part, records[part])
        model = table(configs, part).get("model") or records[part].get("model") or "unknown"
        shown = f"{figure}, {describe_films(records[part])}" if figure else "not judged"
        lines.append(f"| `{part}.safetensors` | `{model}` | {PURPOSES[part]} | {shown} |")
    lines.append("\n`config.json` holds their settings, `metrics.json` all figures and each file's SHA-256.")
    return "\n".join(lines)


def describe_use(repo_id: str) -> str:
    """The commands that run these weights."""
    lines = ["```bash", f"python hub.py pull {repo_id} --revision COMMIT"]
    lines += [f"python demo.py --repo-id {repo_id} --revision COMMIT", "```"]
    lines.append("COMMIT is a commit's hash: a branch moves on, a hash does not, and results name it.")
    return "\n".join(lines)


def describe_evaluation(part: str, record: dict) -> str:
    """The figures of a file, with its tables."""
    title = f"### {part}.safetensors"
    figures = published_figures(part, record)
    if not table(record, "judged") or not figures:
        return f"{title}\nThese weights were not judged."
    lines = [title, f"On {describe_films(record)}.", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value:.3f} |" for _, name, value in figures]
    details = describe_confusion(record[part]) if part == "cvm" else describe_landmarks(record[part])
    return "\n".join(lines) + (f"\n\n{details}" if details else "")


def describe_landmarks(figures: dict) -> str:
    """A row for each landmark; nothing if there is no such table."""
    rows = table(figures, "per_landmark")
    lines = ["| landmark | films | mean error, mm | in px | within 2 mm, % | taught by |", "|---|---|---|---|---|---|"]
    for symbol in rows:
        row = table(rows, symbol)
        rate = table(row, "sdr").get("2.0")
        numbers = f"{show(row.get('mre_mm'))} | {show(row.get('mre_px'))} | {show(rate, 1)}"
        lines.append(f"| `` {symbol} `` | {show(row.get('n'), 0)} | {numbers} | {row.get('taught_by') or '-'} |")
    return "\n".join(lines) if rows else ""


def describe_confusion(figures: dict) -> str:
    """The confusion of stages, and the majority baseline."""
    rows = figures.get("confusion")
    rows = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    names = [f"S{stage}" for stage in range(1, STAGE_COUNT + 1)]
    lines = [f"| true \\ named | {' | '.join(names)} |", "|---" * (STAGE_COUNT + 1) + "|"]
    lines += [f"| {name} | {' | '.join(map(str, row))} |" for name, row in zip(names, rows, strict=False)]
    majority = table(figures, "majority").get("accuracy")
    if isinstance(majority, float):
        lines.append(f"\nThe most frequent training stage, always named, is right in {100 * majority:.1f} % of films.")
    return "\n".join(lines) if rows else ""


def describe_training(part: str, content: dict | None, record: dict) -> str:
    """In a sentence, what a file was trained on and how."""
    trained = table(record, "trained")
    films = f"{trained.get('films')} films" if trained.get("films") else "films"
    text = f"* `{part}.safetensors`: {films} of {trained.get('dataset', 'private')}"
    if record.get("calibration_films"):
        text += f"; 95 % radii learnt from {record['calibration_films']} films by cross-validation"
    try:
        settings = config_from_json(content).to_json()
    except (UserError, TypeError):  # another version's settings: config.json has them
        return text + "."
    is_ensemble = settings["model"] == "cvm"
    names = STAGE_TRAINING if is_ensemble else TRAINING
    pairs = [f"{name.replace('_', ' ')} {settings[name]}" for name in names if settings.get(name) is not None]
    return text + "; " + ", ".join(pairs) + "." + (f" {DESCRIBED}" if is_ensemble else "")


def show(value: object, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) else "-"
