"""Reads the neck of a picture: its vertebral points, their geometry, the stage by rule and, with such weights, the
learnt one.

`vertebrae.safetensors` finds the points, `cvm.safetensors` names the stage; the second was taught on the points of the
first and is only used with it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from checkpoint import load_model
from config import UserError
from files import file_hash
from neck import POINT_INDEX, lies_beyond
from stage_namer import StageNamer
from stretch import estimate_stretch
from vertebra_finder import Neck, VertebraFinder
from vertebrae_geometry import Geometry, measure_vertebrae

VERTEBRAE_NAME, STAGE_NAME = "vertebrae.safetensors", "cvm.safetensors"
# A square picture of whose height C2's lower border and C3 fill more than this share is a crop, perhaps a squeezed one.
CROP_SHARE = 0.12
LARGEST_STRETCH = 2.2
NO_NECK = "The cervical vertebrae C2 to C4 are not to be seen on this film, so no CVM stage is named."
CUT_NECK = "C2 and C3 do not lie wholly on this film, so no CVM stage is named."
NO_C4 = "C4 does not lie wholly on this film; the CVM stage is named from C2 and C3, and the rules cannot name one."
NO_RULE = "C4 does not lie wholly on this film, so the rules cannot name a CVM stage."
CROP_ALONE = "This is a crop of the neck, not a whole cephalogram; only the cervical vertebrae were read."
STRETCHED = "The crop seems to have been squeezed to a square; its heights were read {:.2f} times as long."


@dataclass(frozen=True, eq=False)
class Cervical:
    """What is known of a film's neck."""

    neck: Neck
    stretch: float  # by what heights were multiplied to have the scale of widths
    geometry: Geometry
    stage: int | None  # 1-6
    probabilities: np.ndarray | None  # (6,)

    @property
    def points_px(self) -> np.ndarray:
        """(13, 2) film pixels."""
        return self.neck.points_px

    @property
    def roi(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the region around the points, film pixels."""
        left, top, right, bottom = (float(value) for value in self.neck.box_px)
        return left, top, right - left, bottom - top

    @property
    def stages(self) -> tuple[int, ...]:
        """The stage, or the two neighbours between which the model cannot tell."""
        return () if self.probabilities is None else likely_stages(self.probabilities)


def likely_stages(probabilities: np.ndarray, enough: float = 0.6) -> tuple[int, ...]:
    """The likeliest stage; with its likelier neighbour where it has not `enough` probability alone. (6,) to 1-6."""
    first = int(np.argmax(probabilities))
    if probabilities[first] >= enough:
        return (first + 1,)
    neighbours = [index for index in (first - 1, first + 1) if 0 <= index < len(probabilities)]
    second = max(neighbours, key=lambda index: probabilities[index])
    return tuple(sorted((first + 1, second + 1)))


class CervicalReader:
    """The models of the neck on a device."""

    def __init__(self, finder: VertebraFinder, namer: StageNamer | None = None):
        self.finder, self.namer = finder, namer

    @property
    def names_stage(self) -> bool:
        """Whether it was taught stages."""
        return self.namer is not None

    def read(self, picture: np.ndarray, landmarks_px: np.ndarray | None = None) -> tuple[Cervical | None, list[str]]:
        """Reads a film or a crop.

        Args:
            picture: (height, width) uint8.
            landmarks_px: (29, 2) of a whole film, where they are known: they tell where the neck is.
        Returns:
            What was read, None where there is no neck, and warnings.
        """
        neck = self.finder.find(picture, landmarks_px)
        if not neck.is_seen:
            return None, [NO_NECK]
        is_crop = landmarks_px is None and fills_picture(picture, neck)
        stretch = crop_stretch(picture, neck) if is_crop else 1.0
        geometry = measure_vertebrae(neck.points_px, neck.radius95_px, stretch=stretch)
        warnings = [CROP_ALONE] if is_crop else []
        warnings += [STRETCHED.format(stretch)] if stretch != 1.0 else []
        if lies_beyond(neck.points_px, picture.shape[::-1]):
            return Cervical(neck, stretch, geometry, None, None), [*warnings, CUT_NECK]
        if np.isnan(neck.points_px).any():
            warnings.append(NO_RULE if self.namer is None else NO_C4)
        probabilities = None if self.namer is None else self.judge(picture, neck, stretch)
        stage = None if probabilities is None else int(probabilities.argmax()) + 1
        return Cervical(neck, stretch, geometry, stage, probabilities), warnings

    def judge(self, picture: np.ndarray, neck: Neck, stretch: float) -> np.ndarray:
        """(6,) probabilities of the stages of a neck."""
        features = self.finder.describe_neck(picture, neck, stretch)
        return self.namer.probabilities(neck.points_px, stretch, features)


def fills_picture(picture: np.ndarray, neck: Neck) -> bool:
    """Whether a picture shows the neck and little else."""
    return bool(np.ptp(neck.points_px[: POINT_INDEX["C4up"], 1]) > CROP_SHARE * picture.shape[0])


def crop_stretch(picture: np.ndarray, neck: Neck) -> float:
    """By what heights must be multiplied to have the scale of widths: 1 but for a square crop of the neck, which may
    have been squeezed.
    """
    if picture.shape[0] != picture.shape[1] or not fills_picture(picture, neck):
        return 1.0
    return float(np.clip(estimate_stretch(picture), 1 / LARGEST_STRETCH, LARGEST_STRETCH))


def load_finder(path: Path, device: torch.device) -> VertebraFinder:
    """The `vertebrae` model of a weights file or checkpoint.

    Raises:
        UserError: the file is missing, damaged or of another model.
    """
    model, config, facts = load_model(path)
    if not config.finds_vertebrae:
        raise UserError(f"{path} is a model of {config.model}, not of vertebrae; name other weights.")
    return VertebraFinder(model, config, device, facts)


def make_reader(path: Path, device: torch.device) -> CervicalReader:
    """The models of the neck from a weights file: of `vertebrae` alone, or of `cvm`, which names the `vertebrae`
    weights that it needs; these lie beside it.

    Raises:
        UserError: a file is missing, damaged, of another model, or is not the one that is needed.
    """
    model, config, facts = load_model(path)
    if config.finds_vertebrae:
        return CervicalReader(VertebraFinder(model, config, device, facts))
    needed = facts.get("needs", {}).get("vertebrae")
    beside = Path(path).with_name(VERTEBRAE_NAME)
    if not beside.exists():
        raise UserError(f"{path} needs the vertebrae weights it was taught with; put them beside it as {beside.name}.")
    if file_hash(beside) != needed:
        raise UserError(
            f"{path} was taught with other vertebrae weights than {beside}; put those beside it that came with it."
        )
    return CervicalReader(load_finder(beside, device), StageNamer(model, config, device, facts))
