"""One `Predictor` that training's validation, evaluate, predict and the demo share: a film in, its points and
stage out.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from backbone import CephModel
from calibration import Calibration
from checkpoint import load_model
from config import LANDMARK_COUNT, LANDMARK_INDEX, Config, UserError
from dataset import FilmDataset, fixed_batches, make_loader
from geometry import Letterbox, cells_to_net, decode_heatmaps
from losses import film_losses
from model import stage_probabilities

# Films per forward pass wherever figures are made: fixed, so that they do not depend on who asks.
JUDGING_BATCH = 4


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one film. Points are in original film pixels; what it was not taught is NaN or None."""

    film_size: tuple[int, int]  # width and height, px
    landmarks_px: np.ndarray  # (29, 2)
    confidence: np.ndarray  # (29,) 0-1, the share of a heatmap's mass at its peak; NaN for coordinate models
    spread_px: np.ndarray  # (29,) expected distance of that mass from the point
    radius95_px: np.ndarray  # (29,) holds the true point for 95 % of films; NaN where the weights carry no calibration
    stage: int | None  # 1-6
    stage_probabilities: np.ndarray | None  # (6,)
    warnings: list[str] = field(default_factory=list)


class Predictor:
    """A trained model on a device. Arithmetic is float32, whatever training used (cards may round convolutions to
    TF32).
    """

    def __init__(self, model: CephModel, config: Config, device: torch.device, facts: dict | None = None):
        self.model = model.to(device=device, memory_format=torch.channels_last).eval()
        self.config = config
        self.device = device
        self.facts = facts or {}
        self.calibration = Calibration(**self.facts["calibration"]) if "calibration" in self.facts else None

    @property
    def target_size(self) -> tuple[int, int]:
        """Width and height of the network's input."""
        return self.config.image_size[::-1]

    @property
    def names_stage(self) -> bool:
        """Whether the model was taught stages: one whose training films had none would name them at random."""
        return self.config.names_stage and (not self.config.stage_counts or any(self.config.stage_counts))

    def predict(self, film: np.ndarray) -> Prediction:
        """Reads one film, (height, width) uint8 as `images.read_film` gives it."""
        letterbox = Letterbox((film.shape[1], film.shape[0]), self.target_size)
        image = torch.from_numpy(letterbox.apply(film)).unsqueeze(0)
        return self.decode(self.outputs(image), [letterbox])[0]

    def predict_films(
        self, dataset: FilmDataset, workers: int = 0, quiet: bool = False
    ) -> tuple[list[Prediction], dict[str, float]]:
        """Reads all films of a data set, and gives the mean of each loss term over them."""
        assert not dataset.training, "films must not be varied while they are judged"
        predictions, sums = [], {}
        loader = make_loader(dataset, fixed_batches(len(dataset), JUDGING_BATCH), workers, self.device)
        for batch in tqdm(loader, desc="Judging", unit="batch", disable=quiet, leave=False):
            outputs = self.outputs(batch["image"])
            with torch.inference_mode():
                on_device = {name: tensor.to(self.device) for name, tensor in batch.items()}
                for name, term in film_losses(outputs, on_device, self.config).items():
                    sums[name] = sums.get(name, 0.0) + float(term.double().sum())
            letterboxes = [dataset.letterbox(int(index)) for index in batch["index"]]
            predictions += self.decode(outputs, letterboxes)
        return predictions, {name: total / len(dataset) for name, total in sums.items()}

    def outputs(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, H, W) uint8 letterboxed films to what the model returns."""
        assert images.dtype == torch.uint8 and images.shape[1:] == self.config.image_size, (images.dtype, images.shape)
        with torch.inference_mode():
            return self.model(to_network_input(images, self.device))

    @torch.inference_mode()
    def decode(self, outputs: dict[str, torch.Tensor], letterboxes: list[Letterbox]) -> list[Prediction]:
        """A batch of outputs to one prediction a film, in film pixels."""
        count = len(letterboxes)
        points_net, confidence, spread_net = self.decode_points(outputs, count)
        stages, probabilities = [None] * count, [None] * count
        if self.names_stage:
            probabilities = stage_probabilities(outputs["stage_logits"]).cpu().double().numpy()
            stages = (probabilities.argmax(axis=1) + 1).tolist()
        return [
            self.make_prediction(letterbox, *row)
            for letterbox, *row in zip(
                letterboxes, points_net, confidence, spread_net, stages, probabilities, strict=True
            )
        ]

    def decode_points(self, outputs: dict[str, torch.Tensor], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Outputs to points (B, K, 2), confidence (B, K) and spread (B, K) in network pixels."""
        if "heatmap_logits" in outputs:
            logits = outputs["heatmap_logits"]
            stride = self.config.image_size[0] / logits.shape[-2]
            points_cells, confidence, spread_cells = decode_heatmaps(logits, self.config.decode_radius)
            decoded = cells_to_net(points_cells, stride), confidence, spread_cells * stride
            return tuple(tensor.cpu().double().numpy() for tensor in decoded)
        size = (count, len(self.config.landmarks) if self.config.finds_landmarks else 0)
        points_net = outputs["points_net"].cpu().double().numpy() if "points_net" in outputs else np.zeros((*size, 2))
        return points_net, np.full(size, np.nan), np.full(size, np.nan)

    def make_prediction(self, letterbox, points_net, confidence, spread_net, stage, probabilities) -> Prediction:
        """One film's decoded numbers, (K, ...) in network pixels, to a `Prediction` of all 29 landmarks."""
        columns = [LANDMARK_INDEX[symbol] for symbol in self.config.landmarks] if self.config.finds_landmarks else []
        landmarks_px = np.full((LANDMARK_COUNT, 2), np.nan)
        landmarks_px[columns] = letterbox.to_px(points_net)
        spread_px, all_confidence = np.full(LANDMARK_COUNT, np.nan), np.full(LANDMARK_COUNT, np.nan)
        spread_px[columns] = letterbox.length_to_px(spread_net)
        all_confidence[columns] = confidence
        radius95_px = np.full(LANDMARK_COUNT, np.nan)
        if self.calibration is not None:
            radius95_px = letterbox.length_to_px(self.calibration.radii_net(letterbox.length_to_net(spread_px)))
        return Prediction(
            letterbox.source_size, landmarks_px, all_confidence, spread_px, radius95_px, stage, probabilities
        )


def to_network_input(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, H, W) uint8 to (B, 1, H, W) float32 in 0-1 on the device; training and inference both start here."""
    floats = images.to(device, non_blocking=True).unsqueeze(1).float() / 255.0
    return floats.contiguous(memory_format=torch.channels_last)


def load_predictor(weights: Path, device: torch.device) -> Predictor:
    """The predictor of a weights file or checkpoint.

    Raises:
        UserError: the file is missing, damaged or not of this project.
    """
    model, config, facts = load_model(weights)
    return Predictor(model, config, device, facts)


def pick_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` to a device.

    Raises:
        UserError: CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device cuda was asked for, but this PyTorch sees no CUDA card; use --device cpu or see README.md."
        )
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def default_weights(output: Path, bundled: Path = Path(__file__).parent / "weights" / "landmarks.safetensors") -> Path:
    """The newest `best_model.pth` of all runs under `output`, else the bundled weights.

    Raises:
        UserError: there is neither.
    """
    runs = sorted(Path(output).glob("**/best_model.pth"), key=lambda path: path.stat().st_mtime)
    if runs:
        return runs[-1]
    if bundled.exists():
        return bundled
    raise UserError(f"There are no weights under {output} nor at {bundled}; train first or name a file with --weights.")
