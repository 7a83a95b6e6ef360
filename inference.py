"""One `Predictor` that training's validation, evaluate, predict and the demo share: a film in, its points and
stage out.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from backbone import CephModel, for_prediction
from calibration import Calibration
from cervical import STAGE_NAME, VERTEBRAE_NAME, Cervical, CervicalReader, make_reader
from checkpoint import BEST_NAME, load_model, load_weights
from config import LANDMARK_COUNT, LANDMARK_INDEX, Config, UserError, quoted
from dataset import FilmDataset, fixed_batches, make_loader, points_inside
from files import file_hash
from geometry import Letterbox
from head import HeadFrame
from head_finder import HeadFinder
from losses import film_losses
from model import decode_points, stage_probabilities, to_network_input

LANDMARKS_NAME = "landmarks.safetensors"
# Films per forward pass wherever figures are made: fixed, so that they do not depend on who asks.
JUDGING_BATCH = 4
NOTED_TURN_DEGREES = 20.0
REFUSAL = "This does not look like a lateral cephalogram, so nothing was placed on it."
UNTAUGHT = (
    "No head was seen, so nothing was placed. The weights may be to blame, not the film: they see none on {} % of the "
    "cephalograms that judged them either; train them longer."
)
MOST_REFUSED = 0.05  # share of true cephalograms from which on a refusal says more of the weights than of the film


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one film. Points are in original film pixels; what it was not taught is NaN or None."""

    frame: Letterbox | HeadFrame  # how the film lay in what the network saw
    landmarks_px: np.ndarray  # (29, 2)
    confidence: np.ndarray  # (29,) 0-1, the share of a heatmap's mass at its peak; NaN for coordinate models
    spread_px: np.ndarray  # (29,) expected distance of that mass from the point
    radius95_px: np.ndarray  # (29,) holds the true point for 95 % of films; NaN where the weights carry no calibration
    stage: int | None  # 1-6
    stage_probabilities: np.ndarray | None  # (6,)
    warnings: list[str] = field(default_factory=list)
    cervical: Cervical | None = None  # the neck, where there are weights that read it
    interval_factors: dict[str, float] = field(default_factory=dict)  # see intervals.py; {} without calibration

    @property
    def is_head(self) -> bool:
        """Whether the film looks like a lateral cephalogram at all."""
        return isinstance(self.frame, Letterbox) or self.frame.doubt <= 1.0

    @property
    def film_size(self) -> tuple[int, int]:
        """Width and height of the film, px."""
        return self.frame.source_size


class Predictor:
    """A trained model on a device. Arithmetic is float32, whatever training used (cards may round convolutions to
    TF32).
    """

    def __init__(
        self, model: CephModel, config: Config, device: torch.device, facts: dict | None = None, weights: str = ""
    ):
        self.model = for_prediction(model, device)
        self.config = config
        self.device = device
        self.facts = facts or {}
        self.weights = weights  # name and hash of the file, for results to state
        self.finder = HeadFinder(self.model, config, device)
        self.calibration = Calibration(**self.facts["calibration"]) if "calibration" in self.facts else None
        self.cervical: CervicalReader | None = None
        self.refusal = why_refused(self.facts)

    @property
    def names_stage(self) -> bool:
        """Whether the model was taught stages: one whose training films had none would name them at random."""
        return self.config.names_stage and (not self.config.stage_counts or any(self.config.stage_counts))

    def predict(self, film: np.ndarray) -> Prediction:
        """Reads one film, (height, width) uint8 as `images.read_film` gives it; a picture that is no lateral
        cephalogram gets no landmarks, but a warning, and only if it is a crop of the neck a stage.
        """
        prediction = self.predict_known(film)
        prediction = prediction if prediction.is_head else nothing_placed(prediction.frame, [self.refusal])
        return prediction if self.cervical is None else add_neck(prediction, self.cervical, film)

    def predict_known(self, film: np.ndarray) -> Prediction:
        """Landmarks and stage of one film that is known to be a lateral cephalogram, so it is not refused."""
        letterbox = Letterbox((film.shape[1], film.shape[0]), self.config.cached_size[::-1])
        view = torch.from_numpy(letterbox.apply(film)).unsqueeze(0)
        outputs, frames = self.look(view, [letterbox])
        return self.decode(outputs, frames)[0]

    def predict_films(
        self, dataset: FilmDataset, workers: int = 0, quiet: bool = False
    ) -> tuple[list[Prediction], dict[str, float]]:
        """Reads all films of a data set, and gives the mean of each loss term over them. These are known to be
        cephalograms, so none is refused.
        """
        assert not dataset.training, "films must not be varied while they are judged"
        predictions, sums = [], {}
        loader = make_loader(dataset, fixed_batches(len(dataset), JUDGING_BATCH), workers, self.device)
        for batch in tqdm(loader, desc="Judging", unit="batch", disable=quiet or None, leave=False):
            letterboxes = [dataset.letterbox(int(index)) for index in batch["index"]]
            outputs, frames = self.look(batch["image"], letterboxes)
            with torch.inference_mode():
                points_net = [
                    in_frame(points, frame, self.config.image_size)
                    for points, frame in zip(batch["points_net"], frames, strict=True)
                ]
                targets = {
                    "points_net": torch.stack(points_net).to(self.device),
                    "stage": batch["stage"].to(self.device),
                }
                for name, term in film_losses(outputs, targets, self.config).items():
                    sums[name] = sums.get(name, 0.0) + float(term.double().sum())
            predictions += self.decode(outputs, frames)
        return predictions, {name: total / len(dataset) for name, total in sums.items()}

    @torch.inference_mode()
    def look(
        self, views: torch.Tensor, letterboxes: list[Letterbox]
    ) -> tuple[dict[str, torch.Tensor], list[Letterbox | HeadFrame]]:
        """(B, H, W) uint8 letterboxed films to what the model returns, and how each film lay in what it saw."""
        assert views.dtype == torch.uint8 and views.shape[1:] == self.config.cached_size, (views.dtype, views.shape)
        if not self.config.head_frame:
            return self.model(to_network_input(views, self.device)), letterboxes
        return self.finder.look(list(views.numpy()), letterboxes)

    @torch.inference_mode()
    def decode(self, outputs: dict[str, torch.Tensor], frames: list[Letterbox | HeadFrame]) -> list[Prediction]:
        """A batch of outputs to one prediction a film, in film pixels."""
        count = len(frames)
        points_net, confidence, spread_net = decode_points(outputs, self.config, count)
        stages, probabilities = [None] * count, [None] * count
        if self.names_stage:
            probabilities = stage_probabilities(outputs["stage_logits"]).cpu().double().numpy()
            stages = (probabilities.argmax(axis=1) + 1).tolist()
        return [
            self.make_prediction(frame, *row)
            for frame, *row in zip(frames, points_net, confidence, spread_net, stages, probabilities, strict=True)
        ]

    def make_prediction(self, frame, points_net, confidence, spread_net, stage, probabilities) -> Prediction:
        """One film's decoded numbers, (K, ...) in network pixels, to a `Prediction` of all 29 landmarks."""
        columns = [LANDMARK_INDEX[symbol] for symbol in self.config.landmarks] if self.config.finds_landmarks else []
        landmarks_px = np.full((LANDMARK_COUNT, 2), np.nan)
        landmarks_px[columns] = frame.to_px(points_net)
        spread_px, all_confidence = np.full(LANDMARK_COUNT, np.nan), np.full(LANDMARK_COUNT, np.nan)
        spread_px[columns] = frame.length_to_px(spread_net)
        all_confidence[columns] = confidence
        radius95_px, factors = np.full(LANDMARK_COUNT, np.nan), {}
        if self.calibration is not None:
            radius95_px = frame.length_to_px(self.calibration.radii_net(frame.length_to_net(spread_px)))
            factors = self.calibration.intervals
        return Prediction(
            frame, landmarks_px, all_confidence, spread_px, radius95_px, stage, probabilities, describe_frame(frame),
            interval_factors=factors,
        )  # fmt: skip


def nothing_placed(frame: Letterbox | HeadFrame, warnings: list[str]) -> Prediction:
    """A prediction without landmarks and stage."""
    nothing = np.full(LANDMARK_COUNT, np.nan)
    return Prediction(frame, np.full((LANDMARK_COUNT, 2), np.nan), nothing, nothing, nothing, None, None, warnings)


def why_refused(facts: dict) -> str:
    """What to say of a film on which weights with these facts see no head: is it to blame, or they?"""
    figures = (facts.get("valid") or {}).get("landmarks") or {}
    refused = float(figures.get("refused") or 0.0)
    return REFUSAL if refused < MOST_REFUSED else UNTAUGHT.format(f"{100 * refused:.0f}")


def describe_frame(frame: Letterbox | HeadFrame) -> list[str]:
    """In a sentence each, how a film was not as the films that taught the network."""
    if isinstance(frame, Letterbox):
        return []
    sentences = []
    if frame.mirrored:
        sentences.append("The face looks to the other side than usual; the film was read mirrored.")
    if frame.negative:
        sentences.append("The film is a negative; it was read as a positive.")
    if abs(frame.turn_degrees) > NOTED_TURN_DEGREES:
        sentences.append(f"The head is turned by {abs(frame.turn_degrees):.0f} degrees; it was read upright.")
    return sentences


def in_frame(points_view: torch.Tensor, frame: Letterbox | HeadFrame, size: tuple[int, int]) -> torch.Tensor:
    """(K, 2) points of a view as the network saw them, NaN where it did not."""
    if isinstance(frame, Letterbox):
        return points_view
    return points_inside(frame.from_view(points_view.double().numpy()), size)


def add_neck(prediction: Prediction, reader: CervicalReader, film: np.ndarray) -> Prediction:
    """The prediction with what the models of the neck say of the film. A picture that was refused for no cephalogram
    may be a crop of a neck.
    """
    # Without a face there may be a crop of the neck alone, which is read differently.
    has_face = prediction.is_head and not np.isnan(prediction.landmarks_px).all()
    cervical, warnings = reader.read(film, prediction.landmarks_px if has_face else None)
    if prediction.is_head:
        warnings = prediction.warnings + warnings
    elif cervical is None:
        return prediction  # one reason is enough
    stage, probabilities = prediction.stage, prediction.stage_probabilities
    if stage is None and cervical is not None:
        stage, probabilities = cervical.stage, cervical.probabilities
    return replace(
        prediction, cervical=cervical, stage=stage, stage_probabilities=probabilities, warnings=list(warnings)
    )


class CervicalPredictor:
    """The models of the neck alone, where a `Predictor` is asked for."""

    def __init__(self, reader: CervicalReader, config: Config, weights: str = ""):
        self.cervical, self.config, self.weights = reader, config, weights
        self.names_stage = reader.names_stage

    def predict(self, film: np.ndarray) -> Prediction:
        """Reads the neck on a film or crop, (height, width) uint8."""
        size = (film.shape[1], film.shape[0])
        return add_neck(nothing_placed(Letterbox(size, size), []), self.cervical, film)


def load_predictor(weights: Path, device: torch.device) -> Predictor | CervicalPredictor:
    """The predictor of a weights file or checkpoint. Shared landmark weights bring the models of the neck that lie
    beside them, `vertebrae.safetensors` and `cvm.safetensors`.

    Raises:
        UserError: a file is missing, damaged or not of this project, or does not go with those beside it.
    """
    weights = Path(weights)
    model, config, facts = load_model(weights)
    name = f"{weights.name} sha256:{file_hash(weights)[:16]}"
    if config.reads_necks:
        return CervicalPredictor(make_reader(weights, device), config, name)
    try:
        predictor = Predictor(model, config, device, facts, name)
    except (TypeError, ValueError, AttributeError) as error:  # facts of a foreign file
        raise UserError(f"{weights} has facts that cannot be used ({quoted(str(error))}); restore it.") from None
    beside = weights.with_name(VERTEBRAE_NAME)
    if weights.suffix == beside.suffix and config.finds_landmarks and beside.exists():
        stage_weights = weights.with_name(STAGE_NAME)
        predictor.cervical = make_reader(stage_weights if goes_with_necks(stage_weights) else beside, device)
    return predictor


def load_landmark_predictor(weights: Path, device: torch.device) -> Predictor:
    """As `load_predictor`, of weights that find landmarks.

    Raises:
        UserError: they do not, or cannot be used.
    """
    predictor = load_predictor(weights, device)
    if not predictor.config.finds_landmarks:
        model = predictor.config.model
        raise UserError(f"{weights} is a model of {model}, which finds no landmarks; name others with --weights.")
    return predictor


def goes_with_necks(stage_weights: Path) -> bool:
    """Whether a file is there and names the stage from vertebrae; a network on pictures reads by itself."""
    return stage_weights.exists() and load_weights(stage_weights)[0].reads_necks


def files_to_load(paths: dict[str, Path]) -> list[Path]:
    """Of weights that lie in one folder, by file name, those to load so that all take part: landmark weights bring
    those of the neck (see `load_predictor`), `cvm` brings `vertebrae`, and what reads by itself is loaded, too.

    Raises:
        UserError: a file is damaged.
    """
    stage_weights = paths.get(STAGE_NAME)
    by_necks = stage_weights is not None and goes_with_necks(stage_weights)
    leaders = [LANDMARKS_NAME, *([STAGE_NAME] if by_necks else []), VERTEBRAE_NAME]
    first = next((paths[name] for name in leaders if name in paths), None)
    alone = None if by_necks else stage_weights
    return [path for path in (first, alone) if path is not None]


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


def default_weights(output: Path, bundled: Path = Path(__file__).parent / "weights" / LANDMARKS_NAME) -> Path:
    """The newest `best_model.pth` of all runs under `output`, else the bundled weights.

    Raises:
        UserError: there is neither.
    """
    runs = sorted(Path(output).glob(f"**/{BEST_NAME}"), key=lambda path: path.stat().st_mtime)
    if runs:
        return runs[-1]
    if bundled.exists():
        return bundled
    raise UserError(f"There are no weights under {output} nor at {bundled}; train first or name a file with --weights.")
