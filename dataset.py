"""Films as tensors: the Dataset, the order of an epoch and the loaders. `python dataset.py --check DIR` audits a
data set.

Nothing here keeps a random state: the order of films follows from (seed, epoch), every draw on a film from (seed,
epoch, film). So the number of workers and an interruption change nothing.
"""

import argparse
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from cache import FilmCache
from config import LANDMARK_INDEX, STAGE_COUNT, SYMBOLS, Config, UserError
from films import Film, impossible_points
from geometry import Letterbox, inside_frame
from head import HeadFrame, fit_head, join_matrices, mean_shape, whole_view
from thumbnails import draw_thumbnail

THUMBNAILS_PER_FILM = 4


class FilmDataset(Dataset):
    """Films of one split as network inputs with their targets.

    An item is a dict: `image` (H, W) uint8, `points_net` (K, 2) float32 for `config.landmarks` with NaN where there is
    nothing to learn, `stage` 0-5 or -1, `index` of the film. In training the targets of impossible labels are NaN.

    Of a model with `head_frame`, `image` is the head in training, with `thumbnails` (T, S, S) uint8, `thumbnail_points`
    (T, K, 2) and `kinds` (T, 2); in judging `image` and `points_net` are the whole film's, since the model is to find
    the head by itself.
    """

    def __init__(self, films: list[Film], config: Config, cache: FilmCache, training: bool = False):
        self.films = films
        self.config = config
        self.cache = cache
        self.training = training
        self.columns = [LANDMARK_INDEX[symbol] for symbol in config.landmarks]
        self.augmenter = make_augmenter(config) if training else None

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """`key` is (epoch, index): the epoch is part of what seeds the draws."""
        epoch, index = key
        film = self.films[index]
        image, letterbox = self.cache.load(film)
        draw = (self.config.seed, epoch, film.film_id)
        points_net = letterbox.to_net(self.target_px(film, draw)[self.columns])
        thumbnails = {}
        if self.augmenter is not None and self.config.head_frame:
            thumbnails = self.draw_thumbnails(image, letterbox, points_net, draw)
            image, points_net = self.draw_head(image, letterbox, points_net, draw)
        elif self.augmenter is not None:
            image, points_net = self.augmenter(image, points_net, draw)
        return thumbnails | {
            "image": torch.from_numpy(image),
            "points_net": points_inside(points_net, image.shape),
            "stage": torch.tensor(-1 if film.stage is None else film.stage - 1),
            "index": torch.tensor(index),
        }

    def draw_head(
        self, view: np.ndarray, letterbox: Letterbox, points_view: np.ndarray, draw: tuple[int, int, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The head by its true points, moved and varied: image (H, W) and points (K, 2) in net pixels.

        The locator will miss the true frame by less than the augmentation moves it.
        """
        size = self.config.image_size[::-1]
        matrix = true_frame(points_view, letterbox, self.config)
        frame = HeadFrame(letterbox, join_matrices(matrix, self.augmenter.draw_jitter(size, draw)), size)
        return self.augmenter.vary_in_place(frame.apply(view), frame.from_view(points_view), draw)

    def draw_thumbnails(
        self, view: np.ndarray, letterbox: Letterbox, points_view: np.ndarray, draw: tuple[int, int, str]
    ) -> dict[str, torch.Tensor]:
        """What the locator learns from the film: `thumbnails`, `thumbnail_points` and `kinds`."""
        generator = np.random.default_rng(seed_of("thumbnails", *draw))
        drawn = [draw_thumbnail(view, letterbox, points_view, generator) for _ in range(THUMBNAILS_PER_FILM)]
        images = [self.augmenter.vary_greys(each.image, generator) for each in drawn]
        return {
            "thumbnails": torch.from_numpy(np.stack(images)),
            "thumbnail_points": torch.stack([points_inside(each.points, each.image.shape) for each in drawn]),
            "kinds": torch.from_numpy(np.stack([each.kinds for each in drawn])).float(),
        }

    def target_px(self, film: Film, draw: tuple[int, int, str]) -> np.ndarray:
        """(29, 2) what to learn or to be judged by: in training a point between both annotators and perhaps a second
        opinion, else the annotators' mean.
        """
        mean_px = film.truth_px()
        if not self.training:
            return mean_px
        mixed_px = mix_annotators(film.annotators_px, self.config.annotator_mix, draw)
        target_px = np.where(np.isnan(mixed_px), mean_px, mixed_px)
        if film.opinion_px is not None:
            target_px = mix_opinion(target_px, film.opinion_px, self.config.opinion_mix, draw)
        target_px[impossible_points(film)] = np.nan
        return target_px

    def letterbox(self, index: int) -> Letterbox:
        """How film `index` lies in its network image."""
        return self.cache.load(self.films[index])[1]


def points_inside(points_net: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """(K, 2) points as float32, NaN where they are not on the `(height, width)` image."""
    points = torch.from_numpy(np.ascontiguousarray(points_net)).float()
    points[~inside_frame(points, size)] = torch.nan
    return points


def true_frame(points_view: np.ndarray, letterbox: Letterbox, config: Config) -> np.ndarray:
    """The (2, 3) matrix from the view to the head's frame by a film's true points (K, 2); by the whole film where
    fewer than two are known.
    """
    if (~np.isnan(points_view).any(axis=1)).sum() < 2:
        return whole_view(letterbox.target_size, config.image_size[::-1])
    shape = np.array(config.head_shape).reshape(-1, 2)
    return fit_head(points_view, shape, np.ones(len(shape)))[0]


def mix_annotators(annotators_px: np.ndarray, margin: float, draw: tuple[int, int, str]) -> np.ndarray:
    """(2, 29, 2) to (29, 2): per point a random place on the line between the annotators, `margin` to 1 - `margin`
    along it.

    The truth is as uncertain as they disagree, and the network should not learn one of its samples by heart
    (Wyatt and Voiculescu, arXiv 2410.04445). A margin of 0 means no mixing: the mean.
    """
    low = margin or 0.5
    share = np.random.default_rng(seed_of("mix", *draw)).uniform(low, 1.0 - low, size=(annotators_px.shape[1], 1))
    return share * annotators_px[0] + (1.0 - share) * annotators_px[1]


def mix_opinion(label_px: np.ndarray, opinion_px: np.ndarray, share: float, draw: tuple[int, int, str]) -> np.ndarray:
    """(29, 2) per point a random place between label and opinion, on average `share` of the way; the label where there
    is no opinion, and nothing where there is no label.
    """
    generator = np.random.default_rng(seed_of("opinion", *draw))
    shares = generator.uniform(max(0.0, 2 * share - 1), min(1.0, 2 * share), size=(len(label_px), 1))
    return np.where(np.isnan(opinion_px), label_px, (1.0 - shares) * label_px + shares * opinion_px)


def make_augmenter(config: Config):
    """The augmenter of a config; albumentations is only imported where films are varied."""
    from augment import Augmenter

    return Augmenter(config.augmentation)


def seed_of(*parts: object) -> int:
    """A 63-bit seed from any parts, equal in every process (Python's own hash is salted)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def describe_data(config: Config, films: list[Film]) -> Config:
    """The config with the facts of its training films: which points they teach, who placed those, films per stage.

    Raises:
        UserError: the films lack what the model is to learn.
    """
    landmarks, taught_by = (), ()
    if config.finds_landmarks:
        known = np.array([~np.isnan(film.truth_px()).any(axis=1) for film in films])  # (films, 29)
        expert = known & ~np.array([film.by_reader for film in films])
        landmarks = tuple(symbol for symbol, there in zip(SYMBOLS, known.any(axis=0), strict=True) if there)
        taught_by = tuple("expert" if expert[:, LANDMARK_INDEX[symbol]].any() else "reader" for symbol in landmarks)
        if not landmarks:
            raise UserError(
                f"These films have no landmarks, which {config.model} learns; choose a cvm_ model or other data."
            )
    counts = tuple(sum(film.stage == stage + 1 for film in films) for stage in range(STAGE_COUNT))
    if config.outputs == ("stage",) and not any(counts):
        raise UserError(
            f"These films have no CVM stages, which {config.model} learns; choose another model or other data."
        )
    head_shape = ()
    if config.head_frame:
        columns = [LANDMARK_INDEX[symbol] for symbol in landmarks]
        shapes = np.array([film.truth_px()[columns] for film in films])
        if (~np.isnan(shapes).any(axis=2)).sum(axis=1).max() < 2:
            raise UserError("No film has two landmarks, which say where its head lies; train with --no-head-frame.")
        head_shape = tuple(mean_shape(shapes, config.image_size[::-1]).round(2).flatten().tolist())
    return replace(config, landmarks=landmarks, taught_by=taught_by, stage_counts=counts, head_shape=head_shape)


class EpochPlan:
    """Which films make which batch of an epoch, for one process of several; a DataLoader's batch sampler.

    A batch of `config.batch_size` films is shared between processes and cut into `config.accumulate` pieces. All
    batches of an epoch are nearly equal in size, so none is left with a single film. `start` sets the epoch and the
    first step.
    """

    def __init__(self, count: int, config: Config, rank: int = 0, world: int = 1):
        self.count, self.config, self.rank, self.world = count, config, rank, world
        self.steps = -(-count // config.batch_size)
        smallest, shares = count // self.steps, world * config.accumulate
        if smallest < shares:
            raise UserError(
                f"A batch of {smallest} films cannot be cut into {shares} shares; raise --batch-size or lower "
                "--accumulate."
            )
        self.start(1)

    def start(self, epoch: int, first_step: int = 0) -> None:
        """Makes the next pass that of `epoch` (from 1), from `first_step` (from 0) on."""
        self.epoch, self.first_step = epoch, first_step

    def batches(self) -> list[np.ndarray]:
        """The films of every optimiser step of the epoch, over all processes."""
        order = np.random.default_rng(seed_of("order", self.config.seed, self.epoch)).permutation(self.count)
        return np.array_split(order, self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """The pieces of this process as lists of (epoch, film index)."""
        for batch in self.batches()[self.first_step :]:
            for piece in np.array_split(np.array_split(batch, self.world)[self.rank], self.config.accumulate):
                yield [(self.epoch, int(index)) for index in piece]

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.config.accumulate


def make_loader(dataset: FilmDataset, batches: EpochPlan | list, workers: int, device: torch.device) -> DataLoader:
    """A loader over batches of keys; workers, where there are any, live as long as the loader."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        worker_init_fn=start_worker,
    )


def default_workers(device: torch.device) -> int:
    """How many processes prepare films: on a CPU training itself needs every core; a card must be kept busy."""
    return min(8, os.cpu_count() or 1) if device.type == "cuda" else 0


def start_worker(worker: int) -> None:
    """One thread a worker, since OpenCV's own would fight for the cores; Ctrl-C is the main process's affair."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)  # a worker that was forked would pass on to the main process what is sent to itself


def fixed_batches(count: int, size: int) -> list[list[tuple[int, int]]]:
    """Keys of all films in order, `size` at a time, for judging."""
    return [[(0, index) for index in range(start, min(start + size, count))] for start in range(0, count, size)]


def main(arguments: list[str] | None = None) -> int:
    """Audits a data set; exit status 1 when it holds errors."""
    from audit import audit_dataset, print_audit

    parser = argparse.ArgumentParser(description="Audits a data set in Aariz's layout and says what is wrong with it.")
    parser.add_argument("--check", type=Path, required=True, metavar="DIR", help="the data set, for example Aariz")
    options = parser.parse_args(arguments)
    try:
        return print_audit(audit_dataset(options.check))
    except UserError as error:
        print(f"dataset.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
