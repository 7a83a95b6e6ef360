"""ResNet backbones by torchvision: their weights, a grey film as their input, freezing and transfer."""

from copy import deepcopy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from config import UserError

STAGE_CHANNELS = {"resnet18": (64, 128, 256, 512), "resnet50": (256, 512, 1024, 2048)}  # at strides 4, 8, 16, 32


class Backbone(nn.Module):
    """A ResNet without its classifier: a grey film to features at strides 4, 8, 16 and 32."""

    def __init__(self, name: str, pretrained: bool):
        super().__init__()
        network = load_resnet(name, pretrained)
        self.channels = STAGE_CHANNELS[name]
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.stages = nn.ModuleList([network.layer1, network.layer2, network.layer3, network.layer4])
        # What torchvision's ImageNet weights expect; without them it centres the input just as well.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(B, 1, H, W) in 0-1 to four feature maps (B, channels[i], H / 2**(i+2), W / 2**(i+2))."""
        features = [self.stem((images - self.mean) / self.deviation)]  # one grey channel broadcasts to three
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


def load_resnet(name: str, pretrained: bool) -> nn.Module:
    """A torchvision ResNet, with ImageNet weights when asked for.

    Raises:
        UserError: the weights cannot be downloaded. Random ones never stand in for them in silence.
    """
    import torchvision  # only these models need it, so that the demo starts without it

    if not pretrained:
        return getattr(torchvision.models, name)(weights=None)
    try:
        return getattr(torchvision.models, name)(weights="IMAGENET1K_V1")
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a broken download is a RuntimeError
        raise UserError(
            f"The ImageNet weights of {name} cannot be downloaded ({error}); connect to the internet once, "
            "or train from scratch with --no-pretrained."
        ) from None


class CephModel(nn.Module):
    """What all models share: a backbone, if they have one, that can be frozen and given weights."""

    def __init__(self, backbone: Backbone | None = None):
        super().__init__()
        self.backbone = backbone

    def freeze_backbone(self) -> None:
        """Keeps the backbone's weights and batch statistics as they are until `unfreeze`."""
        self.set_backbone_trainable(False)

    def unfreeze(self) -> None:
        """Lets the backbone train again."""
        self.set_backbone_trainable(True)

    def set_backbone_trainable(self, trainable: bool) -> None:
        assert self.backbone is not None, "this model has no backbone to freeze"
        self.backbone.requires_grad_(trainable)
        self.train(self.training)

    def gradient_groups(self) -> list[list[nn.Parameter]]:
        """Parameters whose gradients are clipped together: all, but those of a locator, which has a loss of its own.

        Clipped as one, the larger and wilder gradients of its thumbnails shrank the network's by another factor in
        each step, and the network learnt as if it had had far fewer epochs.
        """
        groups = {True: [], False: []}
        for name, parameter in self.named_parameters():
            groups[name.startswith("locator.")].append(parameter)
        return [group for group in groups.values() if group]

    def train(self, mode: bool = True) -> "CephModel":
        """As in PyTorch, but a frozen backbone stays in evaluation mode: its batch statistics are frozen too."""
        super().train(mode)
        if self.backbone is not None and not next(self.backbone.parameters()).requires_grad:
            self.backbone.eval()
        return self


def for_prediction(model: CephModel, device: torch.device) -> CephModel:
    """A copy of a model that only looks: on a device, in evaluation mode, each batch normalisation that follows a
    convolution in a row of layers folded into it. Our networks have no others, and save a tenth of their time so on a
    processor; torchvision's keep most of theirs.
    """
    looking = deepcopy(model).eval()
    for module in looking.modules():
        if isinstance(module, nn.Sequential):
            fold_normalisation(module)
    return looking.to(device=device, memory_format=torch.channels_last)


def fold_normalisation(layers: nn.Sequential) -> None:
    """Leaves an identity where a batch normalisation in evaluation mode came right after a convolution."""
    for index in range(len(layers) - 1):
        if isinstance(layers[index], nn.Conv2d) and isinstance(layers[index + 1], nn.BatchNorm2d):
            layers[index] = fuse_conv_bn_eval(layers[index], layers[index + 1])
            layers[index + 1] = nn.Identity()


def transfer_backbone(model: CephModel, state: dict[str, torch.Tensor], source: str) -> int:
    """Moves the backbone's tensors of another model's state dict into `model`; returns how many fitted.

    Raises:
        UserError: none fitted. A transfer that loads nothing must not look like one.
    """
    prefix = "backbone."
    own = model.backbone.state_dict() if model.backbone is not None else {}
    given = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    fitting = {name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise UserError(
            f"{source} has no backbone tensor that fits this model ({len(given)} there, {len(own)} here); "
            "give --init-from the weights of a model with the same ResNet."
        )
    model.backbone.load_state_dict(fitting, strict=False)
    return len(fitting)
