"""Finds the head on films and shows it to the network: a first frame by the locator's rough points on a thumbnail, a
better one by the points that the network then finds where the first was far off. A film cut close around the head is
shown as if it went on beyond its borders.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch

from backbone import CephModel
from config import Config
from geometry import Letterbox
from head import HeadFrame, fit_head, is_plausible, move_points, whole_view
from model import decode_maps, decode_points, locate, to_network_input
from thumbnails import KINDS, shrink_view, view_of_thumbnail

# A film is taken for no lateral cephalogram when its points fit the mean head worse than this share of its size,
# or the locator says so with more than this probability. `benchmarks/refusal.py` shows what both let through.
LARGEST_MISFIT = 0.25
LARGEST_STRANGENESS = 0.5
CLEARLY_BETTER = 0.8  # share of its misfit at which another guess replaces the one on the film as it is
# Where less of the head's frame lies on the film than this, the film is made to go on beyond its borders: the network
# takes the corners of a film cut so close for chin and sella, if they stand out against black. Whole films fill 0.70 of
# their frames at the least. Each way to go on misleads single points, so the surer of both looks counts.
CLOSE_CUT = 0.65
WAYS_ON = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)  # by the outermost pixels, by the film's mirror image
SECOND_LOOK_DRIFT = 0.1  # share of the head's size by which the first frame may be off; training varies it as far


class HeadFinder:
    """A `landmarks` model on a device, with its locator and the mean head (K, 2), net pixels.

    Raises:
        ValueError: the head is to be framed, and the config has no mean head; only that of a foreign file may lack it.
    """

    def __init__(self, model: CephModel, config: Config, device: torch.device):
        self.model, self.config, self.device = model, config, device
        self.shape = np.array(config.head_shape).reshape(-1, 2)
        if config.head_frame and not 2 <= len(self.shape) == len(config.landmarks):
            raise ValueError("no mean head")

    @torch.inference_mode()
    def look(
        self, pictures: list[np.ndarray], letterboxes: list[Letterbox]
    ) -> tuple[dict[str, torch.Tensor], list[HeadFrame]]:
        """Views (H, W) uint8 to what the network makes of the heads on them, and how each head lay in what it saw."""
        frames = self.find_heads(pictures, letterboxes)
        outputs = self.see(pictures, frames)
        frames, moved = self.correct_frames(frames, self.fit_frames(frames, outputs))
        if moved:
            looked_again = [frames[index] for index in moved]
            second = self.see([pictures[index] for index in moved], looked_again)
            for name, tensor in second.items():
                outputs[name][moved] = tensor
            for index, (_, misfit) in zip(moved, self.fit_frames(looked_again, second), strict=True):
                frames[index] = frames[index].doubted(misfit / LARGEST_MISFIT)
        return outputs, frames

    def see(self, views: list[np.ndarray], frames: list[HeadFrame]) -> dict[str, torch.Tensor]:
        """What the model makes of the heads in these frames."""
        close = [index for index, frame in enumerate(frames) if frame.film_share < CLOSE_CUT]
        shown = [replace(frame, beyond=WAYS_ON[0]) if index in close else frame for index, frame in enumerate(frames)]
        outputs = self.run([frame.apply(view) for frame, view in zip(shown, views, strict=True)])
        if close:
            other = self.run([replace(frames[index], beyond=WAYS_ON[1]).apply(views[index]) for index in close])
            keep_surer(outputs, close, other)
        return outputs

    def run(self, heads: list[np.ndarray]) -> dict[str, torch.Tensor]:
        """What the model makes of pictures (h, w) uint8 of heads, with its maps `decoded`."""
        outputs = self.model(to_network_input(torch.from_numpy(np.stack(heads)), self.device))
        return outputs | {"decoded": decode_maps(outputs, self.config)}

    def correct_frames(
        self, frames: list[HeadFrame], fits: list[tuple[np.ndarray, float]]
    ) -> tuple[list[HeadFrame], list[int]]:
        """The frames with the doubt that their points leave, and the indices of those that were far off: these are
        corrected, have no such doubt yet, and deserve a second look.
        """
        corrected, moved = [], []
        for index, (frame, (matrix, misfit)) in enumerate(zip(frames, fits, strict=True)):
            is_off = frame.drift(matrix, self.shape) > SECOND_LOOK_DRIFT
            if is_off and is_plausible(matrix, frame.letterbox.target_size, frame.target_size):
                corrected.append(replace(frame, matrix=matrix))
                moved.append(index)
            else:
                corrected.append(frame.doubted(misfit / LARGEST_MISFIT))
        return corrected, moved

    def fit_frames(self, frames: list[HeadFrame], outputs: dict[str, torch.Tensor]) -> list[tuple[np.ndarray, float]]:
        """For each frame the matrix that the points found in it ask for, and how badly they fit the mean head."""
        points_net, confidence, _ = decode_points(outputs, self.config, len(frames))
        backs = [cv2.invertAffineTransform(frame.matrix) for frame in frames]
        rows = zip(points_net, backs, confidence, strict=True)
        return [fit_head(move_points(points, back), self.shape, known) for points, back, known in rows]

    def find_heads(self, views: list[np.ndarray], letterboxes: list[Letterbox]) -> list[HeadFrame]:
        """Where the head lies on each view, by the locator's rough points on a thumbnail, on its mirror image and on
        the same with its greys spread evenly.

        Each may go wrong on a strange film, one almost without contrast for example; the guess that looks most like a
        head is taken.
        """
        thumbnails = np.stack([shrink_view(view) for view in views])
        evened = np.stack([cv2.equalizeHist(thumbnail) for thumbnail in thumbnails])
        points, confidence, kinds = self.locate(np.stack([thumbnails, thumbnails[:, :, ::-1], evened], axis=1))
        points[:, 1, :, 0] = thumbnails.shape[2] - 1 - points[:, 1, :, 0]
        return [self.frame_head(*row) for row in zip(letterboxes, points, confidence, kinds[:, 0], strict=True)]

    def locate(self, thumbnails: np.ndarray) -> tuple[np.ndarray, ...]:
        """`model.locate` on several thumbnails of each film, (B, G, S, S) uint8; what it gives is (B, G, ...)."""
        films, guesses, height, width = thumbnails.shape
        together = thumbnails.reshape(films * guesses, height, width)
        located = locate(self.model, together, self.config.decode_radius, self.device)
        return tuple(each.reshape(films, guesses, *each.shape[1:]) for each in located)

    def frame_head(
        self, letterbox: Letterbox, guesses: np.ndarray, confidence: np.ndarray, kinds: np.ndarray
    ) -> HeadFrame:
        """The frame of a head by the better of several guesses, rough points (G, K, 2) on the thumbnail with
        confidence (G, K), and what kind of picture it is, (2,) 0-1; the whole view if none of them is a head.
        """
        view_size, target_size = letterbox.target_size, self.config.image_size[::-1]
        guesses_view = view_of_thumbnail(guesses, view_size)
        fits = [fit_head(points, self.shape, known) for points, known in zip(guesses_view, confidence, strict=True)]
        misfits = np.array([misfit for _, misfit in fits])
        misfits[0] *= CLEARLY_BETTER
        matrix = fits[misfits.argmin()][0]
        doubt = kinds[KINDS.index("stranger")] / LARGEST_STRANGENESS
        if not is_plausible(matrix, view_size, target_size):
            matrix, doubt = whole_view(view_size, target_size), np.inf
        negative = bool(kinds[KINDS.index("negative")] > 0.5)
        return HeadFrame(letterbox, matrix, target_size, negative, float(doubt))


def keep_surer(outputs: dict[str, torch.Tensor], rows: list[int], other: dict[str, torch.Tensor]) -> None:
    """Puts into these rows of outputs (B, K, ...) what another look (R, K, ...) gives for each point it is surer of."""
    surer = other["decoded"][..., 2] > outputs["decoded"][rows][..., 2]  # (R, K), by confidence
    for name, tensor in other.items():
        is_other = surer.view(*surer.shape, *[1] * (tensor.ndim - 2))
        outputs[name][rows] = torch.where(is_other, tensor, outputs[name][rows])
