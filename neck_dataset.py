"""Films of the neck as tensors to train `vertebrae` on: whole films, crops of them, and films with just a box.

An item is what `FilmDataset` gives of a head, so that one training loop serves both. All pictures are kept in memory,
each reduced to its neck and a thumbnail.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from augment import Augmenter
from config import Config, UserError
from dataset import points_inside, seed_of
from films import Film
from geometry import Letterbox
from head import fit_head, join_matrices, move_points, warp_image
from images import read_film
from labelme import faces_right
from neck import FEWEST_POINTS, has_vertebrae, mean_neck, region_of_box
from thumbnails import KINDS, MIRRORED, SIDE, draw_placement, draw_thumbnail

PATCH_REACH = 2.2  # of the points' extent, from their middle
PATCH_SIDE = 720  # largest side of a kept neck, px
VIEW_SIDE = 448  # of the reduced film from which thumbnails are drawn
EXTENT = (0.08, 0.62)  # of the vertebral points on a thumbnail: from a whole film to a tight crop
ANYHOW = 0.35  # of the thumbnails show the film in any size, place and turn
TURN_DEGREES, SIZE_LOG, SHIFT = 7.0, 0.12, 0.05  # deviations of the others; the shift in sides of the thumbnail
THUMBNAILS = 2  # a film
HEADLESS = 0.1  # share of whole films shown without their neck
REPEATS = 5  # how often an epoch shows a film read by a person; one that a model has read is shown once


@dataclass(frozen=True, eq=False)
class NeckPicture:
    """What is kept of a film."""

    patch: np.ndarray  # (h, w) uint8, the neck
    points: np.ndarray  # (13, 2) on the patch, NaN where unknown
    box: np.ndarray | None  # (4,) on the patch
    view: np.ndarray  # (VIEW_SIDE, VIEW_SIDE) uint8, the letterboxed film
    letterbox: Letterbox  # film to view
    points_view: np.ndarray  # (13, 2)
    mirrored: bool  # the face looks to the left


class NeckDataset(Dataset):
    """Films with vertebral labels; `films` has those that a person has read several times.

    An item is a dict: `image` (H, W) uint8, the neck varied; `points_net` (13, 2) float32 with NaN; `box_net` (4,)
    with NaN; `thumbnails` (T, S, S), `thumbnail_points` (T, 13, 2), `kinds` (T, 2); `index`.
    """

    def __init__(self, films: list[Film], config: Config):
        usable = [film for film in films if has_vertebrae(film.vertebrae)]
        by_person = [film for film in usable if not film.vertebrae.pseudo]
        self.films = by_person * REPEATS + [film for film in usable if film.vertebrae.pseudo]
        self.config = config
        self.augmenter = Augmenter(config.augmentation)
        self.shape = np.array(config.neck_shape).reshape(-1, 2)
        self.pictures = {id(film): keep_neck(film) for film in usable}

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """`key` is (epoch, index): the epoch is part of what seeds the draws."""
        epoch, index = key
        picture = self.pictures[id(self.films[index])]
        draw = (self.config.seed, epoch, index, self.films[index].film_id)
        return self.draw_neck(picture, draw) | self.draw_whole(picture, draw) | {"index": torch.tensor(index)}

    def draw_neck(self, picture: NeckPicture, draw: tuple) -> dict[str, torch.Tensor]:
        """The neck by its true points, moved by up to a vertebra, stretched and varied."""
        size = self.config.image_size[::-1]
        jitter = self.augmenter.draw_jitter(size, draw)
        if picture.box is not None:  # a box stays one only if nothing is turned
            jitter[:, :2] *= np.eye(2)
        matrix = join_matrices(true_neck_frame(picture, self.shape), jitter)
        image, points = warp_image(picture.patch, matrix, size), move_points(picture.points, matrix)
        box = np.full(4, np.nan)
        if picture.box is not None:
            corners = np.sort(move_points(picture.box.reshape(2, 2), matrix), axis=0)
            box = corners.flatten()
        image, points = self.augmenter.vary_in_place(image, points, draw)
        return {
            "image": torch.from_numpy(image),
            "points_net": points_inside(points, image.shape),
            "box_net": torch.from_numpy(box).float(),
        }

    def draw_whole(self, picture: NeckPicture, draw: tuple) -> dict[str, torch.Tensor]:
        """What the locator learns from the film: `thumbnails`, `thumbnail_points` and `kinds`."""
        generator = np.random.default_rng(seed_of("thumbnails", *draw))
        drawn = [self.draw_thumbnail(picture, generator) for _ in range(THUMBNAILS)]
        return {name: torch.stack([each[name] for each in drawn]) for name in drawn[0]}

    def draw_thumbnail(self, picture: NeckPicture, generator: np.random.Generator) -> dict[str, torch.Tensor]:
        """A thumbnail of the film, perhaps without a neck on it."""
        view, points = picture.view, picture.points_view
        top = np.nanmin(points[:, 1]) if not np.isnan(points).all() else 0.0
        if top > 0.5 * VIEW_SIDE and generator.random() < HEADLESS:
            view = view.copy()
            view[int(top - 0.04 * VIEW_SIDE) :] = 0
            points = np.full_like(points, np.nan)
        drawn = draw_thumbnail(view, picture.letterbox, points, generator, place_film)
        inside = points_inside(drawn.points, drawn.image.shape)
        kinds = torch.from_numpy(drawn.kinds).float()
        if not np.isnan(picture.points_view).all() and (~inside.isnan().any(dim=1)).sum() < FEWEST_POINTS:
            kinds[KINDS.index("stranger")] = 1.0  # no neck to be seen
        image = self.augmenter.vary_greys(drawn.image, generator)
        return {
            "thumbnails": torch.from_numpy(image),
            "thumbnail_points": inside,
            "kinds": kinds,
        }


def place_film(points_view: np.ndarray, view_shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """A random (2, 3) similarity from the view to the thumbnail: about as the film is, or anyhow."""
    if generator.random() < ANYHOW:
        return draw_placement(points_view, view_shape, generator, EXTENT)
    turn = np.deg2rad(generator.normal(0.0, TURN_DEGREES))
    scale = SIDE / VIEW_SIDE * np.exp(generator.normal(0.0, SIZE_LOG))
    mirror = -1.0 if generator.random() < MIRRORED else 1.0
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([mirror, 1.0])
    middle = SIDE * (0.5 + generator.normal(0.0, SHIFT, 2))
    return np.hstack([linear, (middle - linear @ np.full(2, (VIEW_SIDE - 1) / 2))[:, None]])


def keep_neck(film: Film) -> NeckPicture:
    """Reads a film and keeps what training needs of it.

    Raises:
        UserError: the film cannot be read, or its labels lie outside it.
    """
    picture, labels = read_film(film.image_path), film.vertebrae
    has_points = labels.known.sum() >= FEWEST_POINTS
    mirrored = has_points and not faces_right(labels.points_px)
    if has_points:
        region = np.array([np.nanmin(labels.points_px, axis=0), np.nanmax(labels.points_px, axis=0)])
    else:
        region = region_of_box(labels.box_px, mirrored)
    middle, reach = region.mean(axis=0), PATCH_REACH * float((region[1] - region[0]).max())
    low = np.floor(np.maximum(middle - reach, 0)).astype(int)
    high = np.ceil(np.minimum(middle + reach, picture.shape[::-1])).astype(int)
    if (high - low).min() < 16:
        raise UserError(f"The vertebral labels of {film.film_id} lie outside {film.image_path}; correct them.")
    cut = picture[low[1] : high[1], low[0] : high[0]]
    shrink = min(1.0, PATCH_SIDE / max(cut.shape))
    small = Letterbox(cut.shape[::-1], tuple(max(1, round(side * shrink)) for side in cut.shape[::-1]))
    letterbox = Letterbox(picture.shape[::-1], (VIEW_SIDE, VIEW_SIDE))
    points_px = labels.points_px if has_points else np.full_like(labels.points_px, np.nan)
    box = None if has_points else small.to_net(labels.box_px.reshape(2, 2) - low).flatten()
    patch = (
        np.ascontiguousarray(cut) if shrink == 1.0 else cv2.resize(cut, small.target_size, interpolation=cv2.INTER_AREA)
    )
    points, view = small.to_net(points_px - low), letterbox.apply(picture)
    return NeckPicture(patch, points, box, view, letterbox, letterbox.to_net(points_px), mirrored)


def true_neck_frame(picture: NeckPicture, shape: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix from the kept patch to the frame, by the true points or by the labelled box."""
    if picture.box is None:
        return fit_head(picture.points, shape, np.ones(len(shape)))[0]
    region = region_of_box(picture.box, picture.mirrored)
    low, high = shape.min(axis=0), shape.max(axis=0)
    scale = (high - low)[1] / (region[1] - region[0])[1]
    return np.column_stack([scale * np.eye(2), (low + high) / 2 - scale * region.mean(axis=0)])


def with_neck_shape(config: Config, films: list[Film]) -> Config:
    """The config with the mean shape of its training films' vertebrae.

    Raises:
        UserError: no film has its points labelled.
    """
    shapes = [film.vertebrae.points_px for film in films if film.vertebrae.known.sum() >= FEWEST_POINTS]
    if not shapes:
        raise UserError(
            "No training film has vertebral points; put LabelMe files into train/Annotations/Vertebrae (see README.md)."
        )
    shape = mean_neck(np.array([flipped_right(points) for points in shapes]), config.image_size[::-1])
    return replace(config, landmarks=(), taught_by=(), neck_shape=tuple(shape.round(2).flatten().tolist()))


def flipped_right(points_px: np.ndarray) -> np.ndarray:
    """Points (13, 2) as if the face looked to the right."""
    return points_px if faces_right(points_px) else points_px * [-1.0, 1.0]


def neck_facts(config: Config, films: list[Film]) -> dict:
    """For a model of vertebrae, which films taught it by a person's labels: others may ask it about the rest."""
    if not config.finds_vertebrae:
        return {}
    return {"labelled": sorted(film.film_id for film in films if not film.vertebrae.pseudo)}
