"""Finds the 13 points of C2 to C4 on a picture: a whole film, a crop of the neck, or a crop stretched to a square.

Where the neck lies is told by the facial landmarks if there are any, else by the model's own look at the whole
picture. What it then sees in that frame says whether a second look in a better frame is worth it; of several looks
the one that looks most like a neck counts.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.nn import functional

from backbone import CephModel, for_prediction
from calibration import Calibration
from config import LANDMARK_INDEX, VERTEBRAL_POINTS, Config
from facing import to_anatomical
from geometry import Letterbox
from head import HeadFrame, fit_head, join_matrices, move_points, warp_image
from labelme import box_of_points
from model import decode_points, film_normalised, locate, to_network_input
from neck import POINT_INDEX, body_spacing, frame_neck, lacks_c4, neck_misfit
from thumbnails import KINDS, shrink_view, view_of_thumbnail

VIEW_SIDE = 448
POINT_COUNT = len(VERTEBRAL_POINTS)
# A neck is doubted beyond these: misfit to the mean neck (labelled ones reach 0.12, points at random 0.6), confidence
# of the points, and the probability that there is none.
LARGEST_MISFIT = 0.16
SMALLEST_CONFIDENCE = 0.25
LARGEST_STRANGENESS = 0.5
CERTAIN_STRANGENESS = 0.7  # so strange a picture is refused whatever is found, so nothing is looked for at length
# A neck doubted more than this is also looked for elsewhere: a vertebra higher and lower, larger and smaller.
SEARCH_DOUBT = 0.6
SEARCH_VERTEBRAE, SEARCH_SIZES = (-1.0, 0.0, 1.0), (0.7, 1.0, 1.4)
# Where less of a neck's frame lies on the picture than this, or the neck is in doubt, it is also looked for with the
# picture going on beyond its borders: cut high, C2 ends at black and the network takes C3 for it. The surer one counts.
CLOSE_CUT = 0.9
SAME_NECK = 0.15  # in mean, in distances C3 to C4: looks nearer to each other found one neck
SEARCHED = 4  # of these places are looked at again, the least doubtful ones
# Of the network, at strides 16 and 32: what it sees there is a corner of a body or a border. A shallower network is
# asked for the deepest that it has.
FEATURE_LEVELS = (3, 4)
# Looks that the last answer is the mean of: their frames differ by these factors of size.
LOOK_SIZES = (0.9, 1.0, 1.1)
# Where the 13 points lie, from gonion and below porion in units of S-N, in mean and before a look has been taken.
NECK_FROM_GONION, NECK_BELOW_PORION = -0.30, 1.14
NECK_HEIGHT_SN = 0.46
# And where on a crop of the neck, looking right: their lowest and highest corner as shares of width and height.
CROP_LOW, CROP_HIGH = np.array([0.51, 0.35]), np.array([0.81, 0.88])


@dataclass(frozen=True, eq=False)
class Neck:
    """The vertebral points of one picture, in its own pixels."""

    points_px: np.ndarray  # (13, 2); those of C4 are NaN where it leaves the picture
    confidence: np.ndarray  # (13,) 0-1, the share of each heatmap's mass at its peak
    spread_px: np.ndarray  # (13,) expected distance of that mass from the point, and of the looks from each other
    radius95_px: np.ndarray  # (13,) holds the true point for 95 % of films; NaN without a calibration
    frame: HeadFrame  # how the neck lay in what the network saw
    doubt: float  # above 1 it is taken for none

    @property
    def is_seen(self) -> bool:
        """Whether there is a neck at all."""
        return self.doubt <= 1.0

    @property
    def box_px(self) -> np.ndarray:
        """(4,) left, top, right, bottom of the region around the points."""
        return box_of_points(self.points_px, self.frame.source_size)


class VertebraFinder:
    """A trained `vertebrae` model on a device."""

    def __init__(self, model: CephModel, config: Config, device: torch.device, facts: dict | None = None):
        assert config.finds_vertebrae, config.model
        self.model = for_prediction(model, device)
        self.config, self.device, self.facts = config, device, facts or {}
        self.shape = np.array(config.neck_shape).reshape(-1, 2)
        self.size = config.image_size[::-1]
        content = self.facts.get("calibration")
        self.calibration = None if content is None else Calibration(**content)
        self.goes_on = True  # looks also at the picture going on beyond its borders, where that may tell more

    def find(self, picture: np.ndarray, landmarks_px: np.ndarray | None = None) -> Neck:
        """What looks most like a neck on a picture (height, width) uint8; its doubt says whether it is one.

        Args:
            landmarks_px: (29, 2) the face's landmarks, where they are known.
        """
        located, strangeness = self.locate(picture)
        frames = self.first_frames(picture, located, landmarks_px)
        if landmarks_px is not None:
            strangeness = 0.0  # a picture with a face is none of those that taught the locator what is no neck
        if strangeness > CERTAIN_STRANGENESS:
            best = min(self.look(picture, frames), key=lambda neck: neck.doubt)
        else:
            best = self.find_surer(picture, frames)
        if lacks_c4(best.points_px, self.shape, picture.shape[::-1]):
            best = self.without_c4(best)
        return replace(best, doubt=max(best.doubt, strangeness / LARGEST_STRANGENESS))

    def find_surer(self, picture: np.ndarray, frames: list[HeadFrame]) -> Neck:
        """`find_from` with black beyond the picture and, where that may mislead, with the picture going on."""
        best = self.find_from(picture, frames)
        if not self.goes_on or (best.frame.film_share >= CLOSE_CUT and best.doubt <= SEARCH_DOUBT):
            return best
        going_on = self.find_from(picture, [replace(frame, beyond=cv2.BORDER_REPLICATE) for frame in frames])
        return max(best, going_on, key=lambda neck: (neck.is_seen, neck.confidence.mean()))

    def find_from(self, picture: np.ndarray, frames: list[HeadFrame]) -> Neck:
        """What looks most like a neck in these frames or, if that is in doubt, in their neighbourhood."""
        looks = distinct(self.look(picture, frames))
        necks = [self.look_again(picture, look) for look in looks]
        if min(neck.doubt for neck in necks) > SEARCH_DOUBT:
            necks += self.search(picture, frames)
        return min(necks, key=lambda neck: neck.doubt)

    def first_frames(
        self, picture: np.ndarray, located: HeadFrame | None, landmarks_px: np.ndarray | None
    ) -> list[HeadFrame]:
        """Where the neck may lie: by the landmarks, by a look at the whole picture, or all over it, as on a crop."""
        frames = [located, self.frame_of_crop(picture)]
        if landmarks_px is not None:
            frames.insert(0, self.frame_from_landmarks(picture, landmarks_px))
        return [frame for frame in frames if frame is not None]

    def search(self, picture: np.ndarray, frames: list[HeadFrame]) -> list[Neck]:
        """Necks in the neighbourhood of frames that have shown none beyond doubt."""
        middle, step = self.shape.mean(axis=0), float(body_spacing(self.shape[None])[0])
        looks = []
        for frame in frames:
            moved = []
            for vertebrae in SEARCH_VERTEBRAE:
                for size in SEARCH_SIZES:
                    shift = middle - size * middle + [0.0, vertebrae * step]
                    matrix = join_matrices(frame.matrix, np.column_stack([size * np.eye(2), shift]))
                    moved.append(replace(frame, matrix=matrix))
            looks += self.look(picture, moved)
        return [self.look_again(picture, look) for look in distinct(looks)[:SEARCHED]]

    @torch.inference_mode()
    def locate(self, picture: np.ndarray) -> tuple[HeadFrame | None, float]:
        """The frame by rough points on a thumbnail of the whole picture, and how probably there is no neck on it."""
        film_size = picture.shape[::-1]
        letterbox = Letterbox(film_size, (VIEW_SIDE, VIEW_SIDE))
        thumbnail = shrink_view(letterbox.apply(picture))[None]
        [points], [confidence], [kinds] = locate(self.model, thumbnail, self.config.decode_radius, self.device)
        points_px = letterbox.to_px(view_of_thumbnail(points, letterbox.target_size))
        frame = frame_neck(film_size, points_px, confidence, self.shape, self.size)
        strangeness = float(kinds[KINDS.index("stranger")])
        return frame and replace(frame, negative=bool(kinds[KINDS.index("negative")] > 0.5)), strangeness

    def frame_from_landmarks(self, picture: np.ndarray, landmarks_px: np.ndarray) -> HeadFrame | None:
        """The frame by sella, nasion, porion and gonion: below porion, behind gonion; None where one is missing."""
        sella, nasion, porion, gonion = (landmarks_px[LANDMARK_INDEX[name]] for name in ("S", "N", "Po", "Go"))
        if np.isnan([sella, nasion, porion, gonion]).any():
            return None
        unit_px = float(np.hypot(*(nasion - sella)))
        upright = to_anatomical(landmarks_px)
        back, above = (upright @ gonion)[0], (upright @ porion)[1]
        middle = np.array([back + NECK_FROM_GONION * unit_px, above + NECK_BELOW_PORION * unit_px])
        low, high = self.shape.min(axis=0), self.shape.max(axis=0)
        scale = (high - low)[1] / (NECK_HEIGHT_SN * unit_px)
        matrix = np.column_stack([scale * upright, (low + high) / 2 - scale * middle])
        size = picture.shape[::-1]
        return HeadFrame(Letterbox(size, size), matrix, self.size)

    def frame_of_crop(self, picture: np.ndarray) -> HeadFrame:
        """The frame of a picture that shows the neck alone."""
        size = picture.shape[::-1]
        low, high = CROP_LOW * size, CROP_HIGH * size
        shape_low, shape_high = self.shape.min(axis=0), self.shape.max(axis=0)
        linear = np.diag((shape_high - shape_low) / (high - low))
        matrix = np.column_stack([linear, shape_low - linear @ low])
        return HeadFrame(Letterbox(size, size), matrix, self.size)

    def look_again(self, picture: np.ndarray, first: Neck) -> Neck:
        """Looks in the frames that the points of the first look ask for, and takes the mean of what they show."""
        matrix, _ = fit_head(first.points_px, self.shape, first.confidence)
        if not np.isfinite(matrix).all():
            return first
        middle = (np.array(self.size) - 1) / 2
        frames = []
        for factor in LOOK_SIZES:
            resize = np.column_stack([factor * np.eye(2), middle - factor * middle])
            frames.append(replace(first.frame, matrix=join_matrices(matrix, resize)))
        looks = self.look(picture, frames)
        points_px = np.mean([look.points_px for look in looks], axis=0)
        apart_px = np.mean([np.hypot(*(look.points_px - points_px).T) for look in looks], axis=0)
        spread_px = np.hypot(np.mean([look.spread_px for look in looks], axis=0), apart_px)
        confidence = np.mean([look.confidence for look in looks], axis=0)
        return self.make_neck(points_px, confidence, spread_px, frames[len(frames) // 2])

    @torch.inference_mode()
    def look(self, picture: np.ndarray, frames: list[HeadFrame]) -> list[Neck]:
        """What the network sees in each frame."""
        seen = torch.from_numpy(np.stack([frame.apply(picture) for frame in frames]))
        outputs = self.model(to_network_input(seen, self.device))
        rows = zip(frames, *decode_points(outputs, self.config, len(frames)), strict=True)
        return [
            self.make_neck(frame.to_px(points_net), confidence, frame.length_to_px(spread_net), frame)
            for frame, points_net, confidence, spread_net in rows
        ]

    @property
    def feature_levels(self) -> list[int]:
        """What `describe` looks at: of `FEATURE_LEVELS`, those that the network has, or else its deepest."""
        deepest = len(self.config.widths) - 1
        return sorted({min(level, deepest) for level in FEATURE_LEVELS})

    @property
    def feature_count(self) -> int:
        """How many numbers `describe` gives."""
        return POINT_COUNT * sum(self.config.widths[level] for level in self.feature_levels)

    def describe_neck(self, picture: np.ndarray, neck: Neck, stretch: float) -> np.ndarray:
        """`describe` of a neck that was found on a picture (height, width) uint8, shown as a positive."""
        return self.describe(255 - picture if neck.frame.negative else picture, neck.points_px, stretch)

    @torch.inference_mode()
    def describe(self, picture: np.ndarray, points_px: np.ndarray, stretch: float) -> np.ndarray:
        """(F,) what the network sees at the points (13, 2) of a neck laid upright, its stretch undone, with the picture
        going on beyond its borders; NaN at those unknown. `cvm` learns from it.
        """
        undone = points_px * [1.0, stretch]
        matrix = join_matrices(
            np.array([[1.0, 0.0, 0.0], [0.0, stretch, 0.0]]), fit_head(undone, self.shape, np.ones(POINT_COUNT))[0]
        )
        shown = warp_image(picture, matrix, tuple(self.size), mode=cv2.BORDER_REPLICATE)
        seen = torch.from_numpy(shown)[None]
        levels = self.model.network.descend(film_normalised(to_network_input(seen, self.device)))
        points_net = move_points(points_px, matrix)
        known = ~np.isnan(points_net).any(axis=1)
        places = (2 * np.where(known[:, None], points_net, 0.0) + 1) / np.array(self.size) - 1  # -1 to 1
        grid = torch.from_numpy(places).to(self.device, torch.float32)[None, :, None]
        each = []
        for level in self.feature_levels:
            sampled = functional.grid_sample(levels[level].float(), grid, align_corners=False)  # (1, C, 13, 1)
            at_points = sampled[0, :, :, 0].T.cpu().numpy()
            each.append(np.where(known[:, None], at_points, np.nan).flatten())
        return np.concatenate(each)

    def without_c4(self, neck: Neck) -> Neck:
        """The neck with the points of C4, which is not on the film, unknown."""
        points_px = neck.points_px.copy()
        points_px[POINT_INDEX["C4up"] :] = np.nan
        return self.make_neck(points_px, neck.confidence, neck.spread_px, neck.frame)

    def make_neck(self, points_px, confidence, spread_px, frame: HeadFrame) -> Neck:
        """Decoded numbers (13, ...) in the picture's pixels to a `Neck`, with the doubt that they leave."""
        misfit = neck_misfit(points_px, self.shape)
        doubt = max(misfit / LARGEST_MISFIT, SMALLEST_CONFIDENCE / max(float(confidence.mean()), 1e-6))
        radius95_px = np.full(POINT_COUNT, np.nan)
        if self.calibration is not None:
            radius95_px = frame.length_to_px(self.calibration.radii_net(frame.length_to_net(spread_px)))
        return Neck(points_px, confidence, spread_px, radius95_px, frame, float(doubt))


def distinct(looks: list[Neck]) -> list[Neck]:
    """The looks in order of their doubt, without those that show what a less doubtful one shows."""
    kept = []
    for look in sorted(looks, key=lambda neck: neck.doubt):
        if not any(is_same_neck(look, other) for other in kept):
            kept.append(look)
    return kept


def is_same_neck(first: Neck, second: Neck) -> bool:
    """Whether two looks found one neck, so that a further look at either would see the same."""
    apart_px = np.hypot(*(first.points_px - second.points_px).T).mean()
    near_px = SAME_NECK * body_spacing(second.points_px[None])[0]
    return bool(first.frame.negative == second.frame.negative and apart_px < near_px)
