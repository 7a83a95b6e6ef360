"""Every model of the project: `build_model(config)` alone makes one.

A model takes films (B, 1, H, W), grey in 0-1, and returns a dict with one or more of
`points_net` (B, K, 2) landmarks in network pixels; `heatmap_logits` (B, K, h, w), whose softmax over the cells says
where the landmark is; `stage_logits` (B, 6) for a softmax, or (B, 5) ordinal ones, whose sigmoid says how probably
the stage is past 1, 2, .. 5 (CORAL); `attention` (B, P) of a bag's patches; `thumbnail_logits` (T, K, h, w) and
`kind_logits` (T, 2) of thumbnails, if these were given.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from backbone import Backbone, CephModel
from config import STAGE_COUNT, VERTEBRAL_POINTS, Config
from geometry import cells_to_net, decode_heatmaps
from stage_net import StageNet, stage_shares
from thumbnails import KINDS
from unet import Locator, PyramidDecoder, UNet


def build_model(config: Config) -> CephModel:
    """The model that `config` describes, with ImageNet weights where it asks for them, else random from torch's seed.

    Raises:
        UserError: ImageNet weights are asked for and cannot be had.
    """
    return MODELS[config.model](config)


# --- heads ------------------------------------------------------------------------------------------------------------


class StageHead(nn.Module):
    """Features to stage logits: six for a softmax, or for CORAL one shared score with five thresholds.

    CORAL: Cao, Mirjalili and Raschka, Pattern Recognition Letters 140 (2020).
    """

    def __init__(self, channels: int, config: Config):
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.ordinal = config.loss == "coral"
        self.score = nn.Linear(channels, 1 if self.ordinal else STAGE_COUNT)
        if self.ordinal:
            self.score.bias.requires_grad_(False).zero_()  # the thresholds hold it
            self.thresholds = nn.Parameter(starting_thresholds(config.stage_counts))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C) to (B, 6) or, ordinal, (B, 5)."""
        score = self.score(self.dropout(features))
        return score + self.thresholds if self.ordinal else score


def starting_thresholds(stage_counts: tuple[int, ...]) -> torch.Tensor:
    """(5,) logits of how many training films are past stage 1, 2, .. 5.

    Small steps move a threshold slowly; begun evenly spaced, it would still be there at the end, naming rare stages.
    """
    if not any(stage_counts):
        return torch.linspace(2.0, -2.0, STAGE_COUNT - 1)
    counts = torch.tensor(stage_counts, dtype=torch.float32)
    past = counts.flip(0).cumsum(0).flip(0)[1:]
    return torch.logit((past + 0.5) / (counts.sum() + 1.0))


class CoordinateHead(nn.Module):
    """Features to landmark coordinates, the film's middle being the first guess."""

    def __init__(self, channels: int, config: Config):
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.points = nn.Linear(channels, 2 * len(config.landmarks))
        height, width = config.image_size
        self.register_buffer("size", torch.tensor([width, height], dtype=torch.float32), persistent=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C) to (B, K, 2) in network pixels."""
        shares = self.points(self.dropout(features)).float().unflatten(1, (-1, 2))  # -0.5 to 0.5 inside the film
        return (shares + 0.5) * self.size - 0.5


def film_normalised(images: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) to the same shape, each film with mean 0 and deviation 1: exposure should not matter."""
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True)
    return (images - mean) / (deviation + 1e-3)


def pooled(features: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) to (B, C), the mean over the map."""
    return features.mean(dim=(2, 3))


# --- landmarks and stage from one network (the log's first attempts) --------------------------------------------------


class CephNet(CephModel):
    """The log's first network (#3): three convolutions and pools, one hidden layer, two heads."""

    def __init__(self, config: Config):
        super().__init__()
        channels = (16, 32, 64)
        layers = []
        for before, width in zip((1, *channels), channels, strict=False):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, nn.Flatten())
        height, width = config.image_size
        self.hidden = nn.Sequential(nn.Linear(channels[-1] * (height // 8) * (width // 8), 256), nn.ReLU(inplace=True))
        self.points = CoordinateHead(256, config)
        self.stage = StageHead(256, config)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `points_net` and `stage_logits`."""
        features = self.hidden(self.features(film_normalised(images)))
        return {"points_net": self.points(features), "stage_logits": self.stage(features)}


class TwoHeadResNet(CephModel):
    """The log's AdvancedCephNet (#11-23): a ResNet, its map flattened (where things are must survive), two heads.

    The log's head read the whole flattened map, 524,288 numbers at 512 px; a 1x1 convolution to 64 channels comes
    first here.
    """

    def __init__(self, config: Config):
        super().__init__(Backbone(config.backbone, config.pretrained))
        height, width = (-(-side // 32) for side in config.image_size)
        self.reduce = nn.Sequential(nn.Conv2d(self.backbone.channels[3], 64, 1), nn.ReLU(inplace=True), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(64 * height * width, 256), nn.ReLU(inplace=True))
        self.points = CoordinateHead(256, config)
        self.stage = StageHead(self.backbone.channels[3], config)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `points_net` and `stage_logits`."""
        features = self.backbone(images)[3]
        return {
            "points_net": self.points(self.hidden(self.reduce(features))),
            "stage_logits": self.stage(pooled(features)),
        }


# --- landmarks as heatmaps --------------------------------------------------------------------------------------------


class HeatmapModel(CephModel):
    """The log's heatmap model (#37): ResNet-50 and three deconvolutions to stride 4 (Xiao et al., ECCV 2018)."""

    def __init__(self, config: Config):
        super().__init__(Backbone(config.backbone, config.pretrained))
        layers = []
        for channels in (self.backbone.channels[3], 256, 256):
            layer = nn.ConvTranspose2d(channels, 256, 4, stride=2, padding=1, bias=False)
            layers += [layer, nn.BatchNorm2d(256), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*layers, nn.Dropout2d(config.dropout))
        self.head = nn.Conv2d(256, len(config.landmarks), 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `heatmap_logits` (B, K, H / 4, W / 4)."""
        return {"heatmap_logits": self.head(self.decoder(self.backbone(images)[3]))}


class UNetHeatmapModel(CephModel):
    """The log's U-Net (#42-43): the same backbone, decoded with skips from every stage to stride 4."""

    def __init__(self, config: Config):
        super().__init__(Backbone(config.backbone, config.pretrained))
        self.decoder = PyramidDecoder(self.backbone.channels)
        self.head = nn.Sequential(
            nn.Dropout2d(config.dropout), nn.Conv2d(PyramidDecoder.WIDTHS[-1], len(config.landmarks), 1)
        )

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `heatmap_logits` (B, K, H / 4, W / 4)."""
        return {"heatmap_logits": self.head(self.decoder(self.backbone(images)))}


class LandmarkNet(CephModel):
    """`landmarks`: a residual U-Net from scratch whose heatmaps have half the resolution of what it sees: the film,
    or with `head_frame` the head that its locator finds on a thumbnail.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.network = UNet(config.widths, config.blocks, config.decoder_blocks)
        self.head = nn.Sequential(nn.Dropout2d(config.dropout), nn.Conv2d(config.widths[0], len(config.landmarks), 1))
        self.locator = Locator(len(config.landmarks), len(KINDS)) if config.head_frame else None

    def forward(self, images: torch.Tensor, thumbnails: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `heatmap_logits` (B, K, H / 2, W / 2); thumbnails (T, 1, S, S), if given, to
        `thumbnail_logits` and `kind_logits` in the same call, as several processes need it.
        """
        outputs = {"heatmap_logits": self.head(self.network(film_normalised(images)))}
        return outputs if thumbnails is None else outputs | self.locate(thumbnails)

    def locate(self, thumbnails: torch.Tensor) -> dict[str, torch.Tensor]:
        """(T, 1, S, S) in 0-1 to `thumbnail_logits` (T, K, S / 2, S / 2) and `kind_logits` (T, 2)."""
        heatmap_logits, kind_logits = self.locator(film_normalised(thumbnails))
        return {"thumbnail_logits": heatmap_logits, "kind_logits": kind_logits}


class VertebraeNet(CephModel):
    """`vertebrae`: as `landmarks`, the 13 points of C2 to C4 in the frame that its locator finds."""

    def __init__(self, config: Config):
        super().__init__()
        self.network = UNet(config.widths, config.blocks, config.decoder_blocks)
        self.head = nn.Sequential(nn.Dropout2d(config.dropout), nn.Conv2d(config.widths[0], len(VERTEBRAL_POINTS), 1))
        self.locator = Locator(len(VERTEBRAL_POINTS), len(KINDS))

    forward, locate = LandmarkNet.forward, LandmarkNet.locate


# --- stage alone ------------------------------------------------------------------------------------------------------


class StageResNet(CephModel):
    """The log's classifiers (#26-35): a ResNet, pooled."""

    def __init__(self, config: Config):
        super().__init__(Backbone(config.backbone, config.pretrained))
        self.stage = StageHead(self.backbone.channels[3], config)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `stage_logits`."""
        return {"stage_logits": self.stage(pooled(self.backbone(images)[3]))}


class StageUNet(CephModel):
    """The log's last attempt (#46-47): the U-Net with a classifier for its last layer, here on its finest and
    coarsest maps.
    """

    def __init__(self, config: Config):
        super().__init__(Backbone(config.backbone, config.pretrained))
        self.decoder = PyramidDecoder(self.backbone.channels)
        self.stage = StageHead(PyramidDecoder.WIDTHS[-1] + self.backbone.channels[3], config)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `stage_logits`."""
        features = self.backbone(images)
        fine, coarse = pooled(self.decoder(features)), pooled(features[3])
        return {"stage_logits": self.stage(torch.cat([fine, coarse], dim=1))}


class StageBag(CephModel):
    """The log's plan 1 (#51-52): attention over a bag of patches, none of which is labelled (Ilse et al., ICML 2018).

    Patches lie on a half-overlapping grid below the picture's top, `bag_top`. Training draws some of them, judging
    sees all.
    """

    def __init__(self, config: Config):
        super().__init__(Backbone(config.backbone, config.pretrained))
        self.patch_size, self.patches, self.top_net = config.patch_size, config.patches, config.bag_top_net
        channels = self.backbone.channels[3]
        self.attention = nn.Sequential(nn.Linear(channels, 128), nn.Tanh(), nn.Linear(128, 1))
        self.stage = StageHead(channels, config)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 1, H, W) in 0-1 to `stage_logits` and `attention` (B, P) over the patches, adding up to 1."""
        bags = self.cut_patches(images)  # (B, P, 1, s, s)
        features = pooled(self.backbone(bags.flatten(0, 1))[3]).unflatten(0, bags.shape[:2])  # (B, P, C)
        attention = torch.softmax(self.attention(features).squeeze(-1), dim=1)  # (B, P)
        bag = (attention.unsqueeze(-1) * features).sum(dim=1)
        return {"stage_logits": self.stage(bag), "attention": attention}

    def cut_patches(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) to (B, P, 1, s, s)."""
        lower = images[..., self.top_net :, :]
        cells = functional.unfold(lower, self.patch_size, stride=self.patch_size // 2)  # (B, s*s, P)
        if self.training and cells.shape[2] > self.patches:
            cells = cells[..., torch.randperm(cells.shape[2], device="cpu")[: self.patches].to(cells.device)]
        return cells.transpose(1, 2).unflatten(2, (1, self.patch_size, self.patch_size))


MODELS = {
    "cephnet": CephNet,
    "resnet18": TwoHeadResNet,
    "resnet50": TwoHeadResNet,
    "heatmap": HeatmapModel,
    "unet": UNetHeatmapModel,
    "landmarks": LandmarkNet,
    "vertebrae": VertebraeNet,
    "cvm": StageNet,
    "cvm_resnet18": StageResNet,
    "cvm_resnet50": StageResNet,
    "cvm_unet": StageUNet,
    "cvm_mil": StageBag,
}


def stage_probabilities(stage_logits: torch.Tensor) -> torch.Tensor:
    """(B, 6) or ordinal (B, 5) logits to probabilities (B, 6) that add up to 1."""
    return stage_shares(stage_logits, "soft" if stage_logits.shape[1] == STAGE_COUNT else "coral")


def locate(
    model: CephModel, thumbnails: np.ndarray, decode_radius: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a model's locator finds on (B, S, S) uint8 thumbnails: rough points (B, K, 2) on them, confidence (B, K)
    0-1, and how probably each is of each of `thumbnails.KINDS`, (B, 2) 0-1.
    """
    located = model.locate(to_network_input(torch.from_numpy(thumbnails), device))
    stride = thumbnails.shape[1] / located["thumbnail_logits"].shape[-2]
    points_cells, confidence, _ = decode_heatmaps(located["thumbnail_logits"], decode_radius)
    tensors = cells_to_net(points_cells, stride), confidence, torch.sigmoid(located["kind_logits"].double())
    return tuple(tensor.cpu().double().numpy() for tensor in tensors)


def decode_points(
    outputs: dict[str, torch.Tensor], config: Config, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs for `count` films, B, to points (B, K, 2), confidence (B, K) and spread (B, K) in network pixels. Maps
    that have been decoded already, to `decoded` by `decode_maps`, are not decoded again.
    """
    if "heatmap_logits" in outputs:
        decoded = outputs["decoded"] if "decoded" in outputs else decode_maps(outputs, config)
        numbers = decoded.cpu().double().numpy()
        return numbers[..., :2], numbers[..., 2], numbers[..., 3]
    size = (count, len(config.landmarks) if config.finds_landmarks else 0)
    points_net = outputs["points_net"].cpu().double().numpy() if "points_net" in outputs else np.zeros((*size, 2))
    return points_net, np.full(size, np.nan), np.full(size, np.nan)


def decode_maps(outputs: dict[str, torch.Tensor], config: Config) -> torch.Tensor:
    """(B, K, 4) what `decode_heatmaps` reads from a model's maps: points in network pixels, confidence, spread."""
    logits = outputs["heatmap_logits"]
    stride = config.image_size[0] / logits.shape[-2]
    points_cells, confidence, spread_cells = decode_heatmaps(logits, config.decode_radius)
    return torch.cat([cells_to_net(points_cells, stride), torch.stack([confidence, spread_cells * stride], -1)], -1)


def to_network_input(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, H, W) uint8 to (B, 1, H, W) float32 in 0-1 on the device; training and inference both start here."""
    floats = images.to(device, non_blocking=True).unsqueeze(1).float() / 255.0
    return floats.contiguous(memory_format=torch.channels_last)


def parameter_count(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(parameter.numel() for parameter in model.parameters())
