"""Files of weights on their way out: what metrics.json says of each, and whether it beats the one that is there."""

import hashlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from checkpoint import holds_more, load_model, save_weights
from config import Config, UserError
from files import file_hash, read_bytes, read_json
from privacy import numbers_of, private_texts, public_name, shareable_facts

KAPPA = "quadratic weighted kappa"
PARTS = ("landmarks", "vertebrae", "cvm")  # what a repository may hold, each as <part>.safetensors
# By which of its figures a file is judged: the first that it has.
HEADLINES = {
    "landmarks": (("mre_mm", "mm"), ("mre_px", "px")),
    "vertebrae": (("relative", "of the distance from C3 to C4"),),  # crops have no millimetres
    "cvm": (("qwk", KAPPA),),
}
BUNDLED = Path(__file__).parent / "weights"
ALREADY_THERE = "this very file is already there"


@dataclass(frozen=True)
class Headline:
    """The one figure by which a file is judged."""

    value: float
    unit: str

    @property
    def is_error(self) -> bool:
        """Whether less is better."""
        return self.unit != KAPPA

    def __str__(self) -> str:
        return f"{self.value:.3f} {self.unit}"


def part_of(config: Config) -> str:
    """Which file of a repository a model is."""
    if config.finds_vertebrae:
        return "vertebrae"
    return "landmarks" if config.finds_landmarks else "cvm"


@dataclass(frozen=True)
class Share:
    """One file of weights, ready to leave."""

    part: str
    data: bytes
    config: dict
    record: dict

    @property
    def figure(self) -> str:
        """By what it is judged, in words."""
        return str(headline(self.part, self.record) or "not judged")


@dataclass(frozen=True)
class Repository:
    """What a repository holds at a commit; of one that does not exist, nothing."""

    commit: str | None = None
    configs: dict = field(default_factory=dict)  # by part
    records: dict = field(default_factory=dict)  # by part; {} for weights that came without figures


def file_name(part: str) -> str:
    """The file of a part in a repository."""
    return f"{part}.safetensors"


# --- records: what metrics.json says of each file ---------------------------------------------------------------------


def table(content: object, name: str) -> dict:
    """The table of that name in plain JSON; an empty one where there is none, whatever is there instead."""
    entry = content.get(name) if isinstance(content, dict) else None
    return entry if isinstance(entry, dict) else {}


def training_figures(facts: dict) -> dict | None:
    """The figures that training itself left in weights, in the form of `evaluate.py --json`: of the best epoch on the
    validation films, or of a cross-validation.
    """
    if facts.get("valid"):
        judged = {"split": facts.get("held_out_split", "valid"), "films_fingerprint": facts.get("held_out")}
        return facts["valid"] | judged | {"dataset": facts.get("dataset")}
    crossed = table(facts, "cross_validated")
    if not crossed:
        return None
    judged = {"split": "cross-validation", "films": crossed.get("films"), "films_fingerprint": facts.get("films")}
    stages = table(crossed, "mean") | {"majority": table(crossed, "majority")}
    return judged | {"dataset": facts.get("dataset"), "cvm": stages}


def make_record(config: Config, facts: dict, figures: dict | None, sha256: str) -> dict:
    """What metrics.json says of a file.

    Args:
        facts: the weights' facts.
        figures: what `evaluate.py --json` wrote for these weights, or None where they were never judged.
        sha256: of the file.
    """
    figures = figures or {}
    judged = {
        "dataset": public_name(figures.get("dataset")),
        "split": figures.get("split"),
        "films": figures.get("films"),
        "films_fingerprint": figures.get("films_fingerprint"),
        "truth": table(figures, "landmarks").get("truth"),
    }
    record = {
        "sha256": sha256,
        "needs": facts.get("needs"),  # other files that it was trained with: {part: sha256}
        "trained": {"dataset": public_name(facts.get("dataset")), "films": facts.get("train_films")},
        "calibration_films": table(facts, "calibration").get("films"),
        "judged": judged if figures else None,
    } | {part: figures.get(part) for part in PARTS}
    return numbers_of(record) | {"model": config.model}


def read_description(names: set[str], configs: bytes, records: bytes) -> tuple[dict, dict]:
    """The configs and records of those files that a repository holds, from its config.json and metrics.json.

    What anyone else may have put there is passed over: its record is {}, as of weights that came without figures.
    """
    parts = [part for part in PARTS if file_name(part) in names]
    known_configs, known_records = parse_entries(configs), parse_entries(records)
    kept = {part: table(known_configs, part) for part in parts}
    return {part: config for part, config in kept.items() if config}, {
        part: table(known_records, part) for part in parts
    }


def parse_entries(content: bytes) -> dict:
    """A JSON object; an empty one if it is something else."""
    try:
        entries = json.loads(content)
    except ValueError:
        return {}
    return entries if isinstance(entries, dict) else {}


def headline(part: str, record: dict) -> Headline | None:
    """The figure by which a file is judged; None where it was not."""
    figures = table(record, part)
    for name, unit in HEADLINES[part]:
        if isinstance(figures.get(name), (int, float)):
            return Headline(float(figures[name]), unit)
    return None


def why_no_better(part: str, new: dict, old: dict | None) -> str | None:
    """Why a file should not replace the one that is there, in words; None if it is better or the first.

    Args:
        new: its record.
        old: the record of what is there; {} if that came without figures, None if nothing is there.
    """
    figure = headline(part, new)
    if figure is None:
        return "it has no figures; judge it with `evaluate.py --json` and name that file by --metrics"
    if old is None:
        return None
    former = headline(part, old)
    if former is None:
        return "the one there has no figures to compare with"
    if new["judged"] != old.get("judged") or figure.unit != former.unit:
        return f"it was judged on {describe_films(new)}, the one there on {describe_films(old)}, which says nothing"
    gain = former.value - figure.value if figure.is_error else figure.value - former.value
    return None if gain > 0 else f"its {figure} are no better than the {former} there"


def describe_films(record: dict) -> str:
    """The films that a file was judged on."""
    judged = table(record, "judged")
    truth = f" against {judged['truth']}" if judged.get("truth") not in (None, "mean") else ""
    return f"{judged.get('films')} films of {judged.get('dataset')} {judged.get('split')}{truth}"


# --- files ------------------------------------------------------------------------------------------------------------


def bundled_weights() -> list[Path]:
    """The weights that come with the project."""
    found = [BUNDLED / file_name(part) for part in PARTS if (BUNDLED / file_name(part)).is_file()]
    if not found:
        raise UserError(f"{BUNDLED} holds no weights; name yours by --weights.")
    return found


def prepare(weights: list[Path], metrics: list[Path]) -> list[Share]:
    """Reads weights and their figures, and takes out what must not leave.

    Raises:
        UserError: a file cannot be read, two are the same part, or figures were made of other weights.
    """
    given = {path: read_json(path) for path in metrics}
    shares, unused = [], set(given)
    for path in weights:
        beside = path.with_suffix(".json")
        offered = given if given else {beside: read_json(beside)} if beside.is_file() else {}
        fitting = [each for each, figures in offered.items() if belongs(figures, path)]
        if offered and not given and not fitting:
            again = f"evaluate.py --weights {path} --json {beside}"
            raise UserError(f"{beside} was not made of {path} as it is now; run `{again}` again.")
        unused -= set(fitting)
        shares.append(make_share(path, offered[fitting[0]] if fitting else None))
    if unused:
        raise UserError(f"{min(unused)} was not made of these weights; run `evaluate.py --json` for them again.")
    parts = [share.part for share in shares]
    for part in parts:
        if parts.count(part) > 1:
            raise UserError(f"Two of these files hold {part}; a repository has one, so name the better.")
    return shares


def belongs(figures: object, path: Path) -> bool:
    """Whether `evaluate.py --json` wrote these figures for this file."""
    return isinstance(figures, dict) and figures.get("weights_sha256") == file_hash(path)


def make_share(path: Path, figures: dict | None) -> Share:
    """One file of weights as it leaves: byte for byte what was judged, unless it holds something private."""
    model, config, facts = load_model(path)
    shared, data = shareable_facts(facts), read_bytes(path)
    private = list(private_texts([shared, config.landmarks]))
    if private:
        raise UserError(f"{path} holds the text {private[0]!r}, which may be private; take it out of its metadata.")
    if path.suffix != ".safetensors" or shared != facts or holds_more(path):
        with tempfile.TemporaryDirectory() as folder:
            clean = Path(folder) / "clean.safetensors"
            save_weights(clean, model, config, shared)
            data = read_bytes(clean)
    figures = figures or training_figures(facts)
    record = make_record(config, facts, figures, hashlib.sha256(data).hexdigest())
    return Share(part_of(config), data, config.to_json(), record)


def choose(shares: list[Share], there: Repository, force: bool) -> tuple[list[Share], dict[str, str]]:
    """Which files to send, and why the others stay at home."""
    chosen, kept = [], {}
    for share in shares:
        old = there.records.get(share.part)
        is_there = bool(old) and old.get("sha256") == share.record["sha256"]
        brings_figures = old != share.record and headline(share.part, share.record) is not None
        if is_there and not (force and brings_figures):
            reason = ALREADY_THERE
        else:
            reason = None if force else why_no_better(share.part, share.record, old)
        if reason is None:
            chosen.append(share)
        else:
            kept[share.part] = reason
    return chosen, kept


def check_company(repo_id: str, chosen: list[Share], there: Repository) -> None:
    """Refuses a commit after which a file lacks another one that it was trained with."""
    records = there.records | {share.part: share.record for share in chosen}
    for part, record in records.items():
        for other, sha256 in table(record, "needs").items():
            if table(records, other).get("sha256") != sha256:
                raise UserError(
                    f"{file_name(part)} works only with the {file_name(other)} that it was trained with, and {repo_id} "
                    "would hold another; push both together, with --force if one alone is no better."
                )


def nothing_to_send(repo_id: str, kept: dict[str, str], there: Repository) -> str:
    """Says that all of it is there already.

    Raises:
        UserError: what was to be sent is no better.
    """
    worse = [f"{part}: {reason}" for part, reason in kept.items() if reason != ALREADY_THERE]
    if worse:
        raise UserError(f"Nothing was sent to {repo_id} ({'; '.join(worse)}); --force sends it all the same.")
    return f"{repo_id} already holds all of this (commit {there.commit})."


def describe_push(address: str, commit: str, chosen: list[Share], kept: dict[str, str]) -> str:
    """Says what was sent and what stayed."""
    sent = [f"{file_name(share.part)}: sent, {len(share.data) / 1e6:.1f} MB, {share.figure}." for share in chosen]
    stayed = [f"{file_name(part)}: not sent, {reason}." for part, reason in kept.items()]
    return "\n".join([*sent, *stayed, f"{address} is now at commit {commit}; `--revision {commit}` pins it."])
