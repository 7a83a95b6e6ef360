"""What a run notes of each epoch: a row of its CSV log, and a line for whoever watches."""

import itertools
from datetime import datetime
from pathlib import Path

from files import claim, csv_text, remove_leftovers, write_csv

LOG_COLUMNS = [
    "epoch", "train_loss", "valid_loss", "mre_px", "mre_mm", "sdr_2.0", "sdr_2.5", "sdr_3.0", "sdr_4.0",
    "cvm_accuracy", "cvm_macro_f1", "cvm_qwk", "cvm_mae", "neck_px", "neck_mm", "neck_slips", "learning_rate",
    "seconds",
]  # fmt: skip


class TrainingLog:
    """A run's log. Its name is taken when it is first written: a run killed before leaves no log, and one that began
    in the same minute gets another name.
    """

    def __init__(self, path: Path, claimed: bool = False):
        self.path, self.claimed = path, claimed

    def write(self, history: list[dict]) -> None:
        """Writes the epochs so far, all of them: a log cut short is whole again after the next.

        Raises:
            UserError: the folder cannot be written to.
        """
        if history and not self.claimed:
            self.path, self.claimed = claim_path(self.path), True
        if history:
            remove_leftovers(self.path.parent, of=f"{self.path.name}.")  # others' logs lie there, too
            write_csv(self.path, history, LOG_COLUMNS)


def make_row(epoch: int, train_loss: float, valid_loss: float | None, figures: dict | None) -> dict:
    """An epoch's row of the log, without its time and rate; what the model or the data lacks stays empty."""
    landmarks = (figures or {}).get("landmarks") or {}
    stages = (figures or {}).get("cvm") or {}
    row = {"epoch": epoch, "train_loss": train_loss, "valid_loss": valid_loss}
    row |= {name: landmarks.get(name) for name in ("mre_px", "mre_mm")}
    row |= {f"sdr_{limit}": landmarks.get("sdr", {}).get(limit) for limit in ("2.0", "2.5", "3.0", "4.0")}
    necks = (figures or {}).get("vertebrae") or {}
    row |= {"neck_px": necks.get("mean_px"), "neck_mm": necks.get("mean_mm"), "neck_slips": necks.get("slipped")}
    return row | {f"cvm_{name}": stages.get(name) for name in ("accuracy", "macro_f1", "qwk", "mae")}


def describe_row(row: dict, epochs: int, is_best: bool) -> str:
    """An epoch in one line that a person can read."""
    parts = [f"epoch {row['epoch']:>3}/{epochs}", f"train {row['train_loss']:.3f}"]
    if row["valid_loss"] is not None:
        parts.append(f"valid {row['valid_loss']:.3f}")
    if row["mre_px"] is not None:
        mm = f"{row['mre_mm']:.3f} mm, " if row["mre_mm"] is not None else ""
        parts.append(f"MRE {mm}{row['mre_px']:.2f} px")
    if row["sdr_2.0"] is not None:
        parts.append("SDR " + "/".join(f"{row[f'sdr_{limit}']:.1f}" for limit in ("2.0", "2.5", "3.0", "4.0")) + " %")
    if row["cvm_accuracy"] is not None:
        parts.append(
            f"CVM acc {row['cvm_accuracy']:.3f} F1 {row['cvm_macro_f1']:.3f} kappa {row['cvm_qwk']:.3f} MAE "
            f"{row['cvm_mae']:.3f}"
        )
    if row["neck_px"] is not None:
        mm = f"{row['neck_mm']:.2f} mm, " if row["neck_mm"] is not None else ""
        parts.append(f"vertebrae {mm}{row['neck_px']:.2f} px, {row['neck_slips']} slipped")
    parts.append(f"lr {row['learning_rate']:.1e}")
    return "  ".join([*parts, f"{row['seconds']:.0f} s", "best"][: None if is_best else -1])


def new_log_path(folder: Path, model: str) -> Path:
    """`yyyymmdd_hhmm_<model>_log.csv`."""
    return folder / f"{datetime.now():%Y%m%d_%H%M}_{model}_log.csv"


def is_own_log(path: Path, history: list[dict]) -> bool:
    """Whether a log may be of a run with this history that was killed before its checkpoint knew of it: it holds
    nothing else. Another run that began in the same minute has other times and losses.
    """
    try:
        return csv_text(history, LOG_COLUMNS).startswith(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def claim_path(path: Path) -> Path:
    """The path, numbered if another run that began in the same minute has it, with the head of a log in it.

    Raises:
        UserError: the folder cannot be written to.
    """
    paths = itertools.chain([path], (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(2)))
    return next(path for path in paths if claim(path, ",".join(LOG_COLUMNS) + "\n"))
