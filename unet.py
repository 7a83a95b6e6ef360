"""The U-Nets: `landmarks`' own at stride 2, the small one that finds the head, a decoder on a ResNet at stride 4."""

import torch
from torch import nn
from torch.nn import functional


def convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch statistics, ReLU."""
    layer = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1):
        super().__init__()
        self.first = convolution(channels_in, channels_out, stride)
        self.second = nn.Sequential(
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False), nn.BatchNorm2d(channels_out)
        )
        self.shortcut = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            layer = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(layer, nn.BatchNorm2d(channels_out))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) to (B, C_out, H / stride, W / stride)."""
        return functional.relu(self.second(self.first(features)) + self.shortcut(features))


def residual_stage(channels_in: int, channels_out: int, blocks: int, stride: int) -> nn.Sequential:
    """`blocks` residual blocks, the first of which changes size and width."""
    later = [ResidualBlock(channels_out, channels_out) for _ in range(blocks - 1)]
    return nn.Sequential(ResidualBlock(channels_in, channels_out, stride), *later)


class UpStep(nn.Module):
    """Doubles the resolution and merges what the encoder saw there."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int, blocks: int = 1):
        super().__init__()
        self.reduce = nn.Conv2d(channels_in, channels_skip, 1, bias=False)
        self.merge = residual_stage(2 * channels_skip, channels_out, blocks, stride=1)

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(B, C_in, h, w) and (B, C_skip, 2h, 2w) to (B, C_out, 2h, 2w); odd sizes are met by cropping."""
        raised = functional.interpolate(self.reduce(coarse), scale_factor=2, mode="nearest")
        raised = raised[..., : skip.shape[-2], : skip.shape[-1]]
        return self.merge(torch.cat([raised, skip], dim=1))


class UNet(nn.Module):
    """A residual U-Net whose features have half the resolution of the film (Ronneberger et al., MICCAI 2015)."""

    def __init__(self, widths: tuple[int, ...], blocks: int, decoder_blocks: int):
        super().__init__()
        self.stem = convolution(1, widths[0], stride=2)
        inputs = (widths[0], *widths[:-1])
        self.down = nn.ModuleList(
            residual_stage(before, width, blocks, stride=1 if level == 0 else 2)
            for level, (before, width) in enumerate(zip(inputs, widths, strict=True))
        )
        self.up = nn.ModuleList(
            UpStep(widths[level + 1], widths[level], widths[level], decoder_blocks)
            for level in reversed(range(len(widths) - 1))
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) to (B, widths[0], H / 2, W / 2)."""
        return self.climb(self.descend(images))

    def descend(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(B, 1, H, W) to the features of every level, fine to coarse."""
        features = [self.stem(images)]
        for stage in self.down:
            features.append(stage(features[-1]))
        return features[1:]

    def climb(self, features: list[torch.Tensor]) -> torch.Tensor:
        """What `descend` returned to (B, widths[0], H / 2, W / 2)."""
        *skips, coarse = features
        for step, skip in zip(self.up, reversed(skips), strict=True):
            coarse = step(coarse, skip)
        return coarse


class Locator(nn.Module):
    """Finds the landmarks roughly on a thumbnail of a film that lies any way, and says what kind of picture it is."""

    WIDTHS = (16, 32, 48, 64, 64)

    def __init__(self, landmarks: int, kinds: int):
        super().__init__()
        self.network = UNet(self.WIDTHS, blocks=1, decoder_blocks=1)
        self.head = nn.Conv2d(self.WIDTHS[0], landmarks, 1)
        self.kinds = nn.Linear(self.WIDTHS[-1], kinds)

    def forward(self, thumbnails: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 1, S, S) to heatmap logits (B, K, S / 2, S / 2) and kind logits (B, kinds)."""
        features = self.network.descend(thumbnails)
        return self.head(self.network.climb(features)), self.kinds(features[-1].mean(dim=(2, 3)))


class PyramidDecoder(nn.Module):
    """Climbs a backbone's four feature maps from stride 32 to stride 4."""

    WIDTHS = (256, 128, 64)  # at strides 16, 8, 4

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(channels[3], 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU(inplace=True)
        )
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels[2 - level], width, 1, bias=False) for level, width in enumerate(self.WIDTHS)
        )
        inputs = (256, *self.WIDTHS[:-1])
        self.steps = nn.ModuleList(
            UpStep(before, width, width) for before, width in zip(inputs, self.WIDTHS, strict=True)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Four maps (B, channels[i], h_i, w_i), fine to coarse, to (B, 64, h_0, w_0)."""
        coarse = self.entry(features[3])
        for level, (lateral, step) in enumerate(zip(self.laterals, self.steps, strict=True)):
            coarse = step(coarse, lateral(features[2 - level]))
        return coarse
