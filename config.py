"""Every setting of a model and its training, and the names of landmarks and stages.

A `Config` travels with the weights: `build_model(config)` and the reading side need nothing else. Paths, the device
and the number of workers are arguments of a run, not settings of a model, and are not here.
"""

import dataclasses
import json
from dataclasses import dataclass

from settings import UserError, check_setting, quoted, setting

# (symbol, title, Aariz's landmark id), in Aariz's own order. Khalid et al., Scientific Data 12:1336 (2025).
LANDMARKS = (
    ("A", "A-point", "ckr20ld7v4a4r0za3gqkydid2"),
    ("ANS", "Anterior Nasal Spine", "ckr6rysyb3jyi0y303gbq84ks"),
    ("B", "B-point", "ckr6rysyb3jyk0y301dcyhf9q"),
    ("Me", "Menton", "ckr6rysyc3jym0y307w5s1g4a"),
    ("N", "Nasion", "ckr6rysyc3jyo0y3083er4fow"),
    ("Or", "Orbitale", "ckr6rysyc3jyq0y306afa3t9a"),
    ("Pog", "Pogonion", "ckr6rysyd3jys0y30gd1rahjp"),
    ("PNS", "Posterior Nasal Spine", "ckr6rysyd3jyu0y30ah3205y8"),
    ("Pn", "Pronasale", "ckr6rysyd3jyw0y30hbbkfcb2"),
    ("R", "Ramus", "ckr6rysye3jyy0y30h8n07rrl"),
    ("S", "Sella", "ckr6rysye3jz00y30fzx36g43"),
    ("Ar", "Articulare", "ckr6rysye3jz20y303mmleb3m"),
    ("Co", "Condylion", "ckr6rysye3jz40y309hjl6dp2"),
    ("Gn", "Gnathion", "ckr6rysyf3jz60y30d6ir73i6"),
    ("Go", "Gonion", "ckr6rysyf3jz80y308ruj39bx"),
    ("Po", "Porion", "ckr6rysyf3jza0y3010od7lu3"),
    ("LPM", "Lower 2nd PM Cusp Tip", "ckr6rysyf3jzc0y30bjsl17p5"),
    ("LIT", "Lower Incisor Tip", "ckr6rysyf3jze0y308g246gqv"),
    ("LMT", "Lower Molar Cusp Tip", "ckr6rysyf3jzg0y3004pzauxj"),
    ("UPM", "Upper 2nd PM Cusp Tip", "ckr6rysyf3jzi0y303zh895ny"),
    ("UIA", "Upper Incisor Apex", "ckr6rysyg3jzk0y303unk9msw"),
    ("UIT", "Upper Incisor Tip", "ckr6rysyg3jzm0y30e4r55szn"),
    ("UMT", "Upper Molar Cusp Tip", "ckr6rysyg3jzo0y309pc56jgb"),
    ("LIA", "Lower Incisor Apex", "ckr6rysyg3jzq0y309625913x"),
    ("Li", "Labrale inferius", "ckr6rysyg3jzs0y30533sccfw"),
    ("Ls", "Labrale superius", "ckr6rysyg3jzu0y308e25br5c"),
    ("N`", "Soft Tissue Nasion", "ckr6rysyg3jzw0y30cnaufc5r"),
    ("Pog`", "Soft Tissue Pogonion", "ckr6rysyh3jzy0y30dqpoar9x"),
    ("Sn", "Subnasale", "ckr6rysyh3k000y302tpa6jn2"),
)
SYMBOLS = tuple(symbol for symbol, _, _ in LANDMARKS)
LANDMARK_INDEX = {symbol: index for index, symbol in enumerate(SYMBOLS)}
LANDMARK_COUNT = len(LANDMARKS)

# On C2 to C4: posterior, middle (deepest) and anterior point of a lower border, and of a body's upper corners.
VERTEBRAL_POINTS = ("C2p", "C2m", "C2a", "C3up", "C3ua", "C3lp", "C3m", "C3la", "C4up", "C4ua", "C4lp", "C4m", "C4la")

# (title, Aariz's stage id); people and files count stages 1-6, tensors 0-5.
STAGES = (
    ("CVM-S1", "cl9ci0iy22jm807w12q3331m3"),
    ("CVM-S2", "cl9ci0iy22jma07w1fb137cme"),
    ("CVM-S3", "cl9ci0iy22jmc07w1fq1o53mi"),
    ("CVM-S4", "cl9ci0iy22jme07w142e7coez"),
    ("CVM-S5", "cl9ci0iy22jmg07w1eiu566n8"),
    ("CVM-S6", "cl9ci0iy22jmi07w13ibffvlh"),
)
STAGE_COUNT = len(STAGES)

# Folder names, in the capitalisation of the public data set; any other is accepted when reading.
SPLITS = ("train", "valid", "test")
ANNOTATORS = ("Senior Orthodontists", "Junior Orthodontists")


@dataclass(frozen=True)
class Recipe:
    """A model of the registry: what it puts out, where it comes from, and the settings that differ from
    `Config`'s own.
    """

    outputs: tuple[str, ...]  # of "coordinates", "heatmaps", "vertebrae", "stage"
    summary: str
    settings: dict
    backbone: str = ""  # the ResNet that it is built on, if it is


# The log's numbers (#) are those of the development log that this project retells. Batches fit a card of 8 GB.
PLATEAU = {"schedule": "plateau", "learning_rate": 1e-3, "ema_decay": 0.0}
POINTS = PLATEAU | {"annotator_mix": 0.0}
TWO_HEADS = POINTS | {"image_size": (256, 256), "batch_size": 32}
CLASSIFIER = PLATEAU | {"image_size": (224, 224), "batch_size": 32, "learning_rate": 3e-4, "augmentation": "light"}
RECIPES = {
    "cephnet": Recipe(("coordinates", "stage"), "plain CNN with two heads (#3)", TWO_HEADS),
    "resnet18": Recipe(
        ("coordinates", "stage"),
        "ResNet-18 with two heads, frozen for 20 epochs (#11-17)",
        TWO_HEADS | {"freeze_epochs": 20},
        backbone="resnet18",
    ),
    "resnet50": Recipe(
        ("coordinates", "stage"),
        "ResNet-50 with two heads (#22)",
        TWO_HEADS | {"image_size": (512, 512), "batch_size": 8, "freeze_epochs": 20},
        backbone="resnet50",
    ),
    "heatmap": Recipe(
        ("heatmaps",),
        "ResNet-50 with three deconvolutions (#37)",
        POINTS | {"image_size": (256, 256), "batch_size": 16, "freeze_epochs": 20},
        backbone="resnet50",
    ),
    "unet": Recipe(
        ("heatmaps",),
        "U-Net on ResNet-50 (#42-43)",
        POINTS | {"image_size": (512, 512), "batch_size": 4, "freeze_epochs": 15},
        backbone="resnet50",
    ),
    "cvm_resnet18": Recipe(("stage",), "stage alone, ResNet-18 (#26-30)", CLASSIFIER, backbone="resnet18"),
    "cvm_resnet50": Recipe(
        ("stage",), "stage alone, ResNet-50 (#31-35)", CLASSIFIER | {"batch_size": 16}, backbone="resnet50"
    ),
    "cvm_unet": Recipe(
        ("stage",), "stage alone, U-Net features (#46-47)", CLASSIFIER | {"batch_size": 8}, backbone="resnet50"
    ),
    "cvm_mil": Recipe(
        ("stage",),
        "stage from a bag of patches with attention, CORAL (#51-52)",
        CLASSIFIER | {"image_size": (256, 256), "batch_size": 8, "loss": "coral"},
        backbone="resnet18",
    ),
    "landmarks": Recipe(
        ("heatmaps",),
        "the accurate one: finds the head, then reads it by a U-Net at stride 2 with sub-pixel decoding",
        {"head_frame": True},
    ),
    "vertebrae": Recipe(
        ("vertebrae",),
        "13 points on C2 to C4, on a whole film or a crop of the neck",
        {
            "image_size": (320, 320), "widths": (16, 32, 48, 96, 128, 160), "blocks": 1, "decode_radius": 4,
            "batch_size": 8, "epochs": 50, "augmentation": "neck", "weight_decay": 0.02,
        },
    ),
    "cvm": Recipe(
        ("stage",),
        "stage from the vertebrae's measures and what vertebrae saw at its points; needs vertebrae weights",
        {"loss": "soft", "balance": 0.3},
    ),
}  # fmt: skip
# Which models use a setting: those with all these `Config.traits`. One that is not named here belongs to "network".
TRAITS_NEEDED = {
    "model": (), "seed": (),
    "pretrained": ("backbone",), "freeze_epochs": ("backbone",),
    "head_frame": ("landmarks",), "view_size": ("landmarks",),
    "widths": ("residual",), "blocks": ("residual",), "decoder_blocks": ("residual",),
    "heatmap_sigma": ("maps",), "decode_radius": ("maps",),
    "annotator_mix": ("points",), "opinion_mix": ("points",),
    "loss": ("stage",), "focal_gamma": ("network", "stage"), "stage_weight": ("points", "stage"),
    "members": ("cvm",), "parts": ("cvm",), "balance": ("cvm",),
    "patch_size": ("cvm_mil",), "patches": ("cvm_mil",), "bag_top": ("cvm_mil",),
}  # fmt: skip
# And the value of another setting without which it says nothing.
SAYS_NOTHING_WITHOUT = {
    "focal_gamma": ("loss", "focal"), "view_size": ("head_frame", True),
    "plateau_patience": ("schedule", "plateau"), "plateau_factor": ("schedule", "plateau"),
}  # fmt: skip
# What the training data decides, not the user: no flags.
DATA_FACTS = ("landmarks", "taught_by", "stage_counts", "head_shape", "neck_shape", "feature_count")
LARGEST_SIDE = 8192  # px; a file that asks for more would only fill the memory


@dataclass(frozen=True)
class Config:
    """All settings of one model and its training, with units and ranges. Immutable; `dataclasses.replace` makes
    variants.
    """

    model: str = setting("landmarks", "which model to build", tuple(RECIPES))
    image_size: tuple[int, int] = setting(
        (640, 512), "network input, HEIGHTxWIDTH or one number for a square, px", low=32, high=LARGEST_SIDE
    )
    head_frame: bool = setting(
        False, "find the head on a small picture first; `landmarks` then sees it upright, at one size, facing one way"
    )
    view_size: tuple[int, int] = setting(
        (1024, 1024), "to what films are reduced before the head is cut out, px", low=32, high=LARGEST_SIDE
    )
    pretrained: bool = setting(True, "start ResNet backbones from ImageNet weights (downloaded once by torchvision)")
    widths: tuple[int, ...] = setting(
        (24, 48, 96, 128, 160, 160), "channels of `landmarks` at strides 2, 4, 8 ...", low=16, high=2048
    )
    blocks: int = setting(2, "residual blocks per stage of `landmarks` on its way down", low=1, high=50)
    decoder_blocks: int = setting(1, "and on its way up", low=1, high=50)
    dropout: float = setting(0.0, "dropout before the last layer, 0-1", low=0, high=0.95)
    heatmap_sigma: float = setting(1.5, "standard deviation of target heatmaps, cells", low=0.3, high=1000)
    decode_radius: int = setting(3, "soft-argmax window around the peak, cells on each side", low=0)
    annotator_mix: float = setting(
        0.25, "train on a random point between the annotators, this far off each, 0-0.5 (0: the mean)", low=0, high=0.5
    )
    opinion_mix: float = setting(
        0.5, "where --opinions are given: share of them in the points to learn, on average, 0-1", low=0, high=1
    )
    augmentation: str = setting(
        "standard", "how strongly training films are varied", ("none", "light", "standard", "strong", "neck")
    )

    loss: str = setting("ce", "stage loss", ("ce", "weighted", "focal", "coral", "corn", "soft"))
    focal_gamma: float = setting(2.0, "focusing of the focal loss", low=0)
    stage_weight: float = setting(1.0, "weight of the stage loss beside the landmark loss", low=0)
    members: int = setting(50, "members of the ensemble of cvm, a multiple of --parts", low=1)
    parts: int = setting(5, "parts of its cross-validation; each member has not seen one of them", low=2)
    balance: float = setting(0.5, "how far rare stages count more to cvm: 0 as they occur, 1 all alike", low=0, high=1)
    patch_size: int = setting(64, "patch side of cvm_mil, px of the network input", low=16, high=LARGEST_SIDE)
    patches: int = setting(16, "patches that cvm_mil draws per film in training (all of its grid when judging)", low=1)
    bag_top: float = setting(
        0.0, "share of the picture's height that cvm_mil skips from the top (0.4 for whole films)", low=0, high=0.9
    )

    epochs: int = setting(60, "passes over the training films", low=1)
    batch_size: int = setting(6, "films per optimiser step, over all processes and accumulated pieces", low=1)
    accumulate: int = setting(1, "pieces into which each process cuts its share of a batch to save memory", low=1)
    learning_rate: float = setting(2e-3, "highest learning rate", low=0)
    weight_decay: float = setting(0.01, "AdamW's weight decay", low=0)
    schedule: str = setting("cosine", "learning rate after the warm-up", ("plateau", "cosine", "constant"))
    warmup_epochs: float = setting(1.0, "epochs of linear warm-up", low=0)
    plateau_patience: int = setting(
        5, "judged epochs without a better score before the plateau schedule lowers the rate", low=0
    )
    plateau_factor: float = setting(0.1, "how far it lowers the rate", low=0, high=1)
    patience: int = setting(30, "judged epochs without a better score before training stops (0: never)", low=0)
    judge_every: int = setting(1, "epochs between looks at the validation films (the last is always judged)", low=1)
    freeze_epochs: int = setting(
        0, "epochs with a frozen backbone, if it came with weights; then unfreeze at a tenth of the rate", low=0
    )
    ema_decay: float = setting(
        0.998, "decay of the moving average of the weights, per step (0: off)", low=0, high=0.99999
    )
    gradient_clip: float = setting(1.0, "largest gradient norm (0: no limit)", low=0)
    precision: str = setting("auto", "arithmetic (auto: bf16 where fast)", ("auto", "float32", "bf16", "fp16"))
    seed: int = setting(0, "seed of weights, order and augmentation", low=0)

    landmarks: tuple[str, ...] = setting(SYMBOLS, "symbols of the points that the model was taught, in order")
    taught_by: tuple[str, ...] = setting(("expert",) * LANDMARK_COUNT, 'for each of them "expert" or "reader"')
    stage_counts: tuple[int, ...] = setting((), "training films of each stage, 1 to 6")
    head_shape: tuple[float, ...] = setting((), "x, y of each landmark's mean position in the head's frame, net px")
    neck_shape: tuple[float, ...] = setting((), "x, y of each vertebral point's mean position in the neck's frame")
    feature_count: int = setting(0, "numbers by which `vertebrae` describes a neck to `cvm`", low=0, high=100_000)

    def __post_init__(self):
        for each in dataclasses.fields(self):
            check_setting(each, getattr(self, each.name))
        if self.head_frame and self.model != "landmarks":
            raise UserError(f"--head-frame is for --model landmarks; leave it out with {self.model}.")
        losses = ("corn", "coral", "soft") if self.model == "cvm" else ("ce", "weighted", "focal", "coral")
        if self.loss not in losses:
            raise UserError(f"--loss {self.loss} is not for --model {self.model}; choose one of {', '.join(losses)}.")
        bag_size = (self.image_size[0] - self.bag_top_net, self.image_size[1])
        if self.model == "cvm_mil" and min(bag_size) < self.patch_size:
            raise UserError(
                f"--patch-size {self.patch_size} does not fit into what --bag-top {self.bag_top} leaves of "
                f"a picture of {self.image_size[0]}x{self.image_size[1]}; lower one of them or raise --image-size."
            )

    @property
    def cached_size(self) -> tuple[int, int]:
        """(height, width) of the letterboxed films that the cache holds and a `Predictor` starts from."""
        return self.view_size if self.head_frame else self.image_size

    @property
    def bag_top_net(self) -> int:
        """How many rows of the network's input lie above the bag of cvm_mil."""
        return int(self.bag_top * self.image_size[0])

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the model puts out: of "coordinates", "heatmaps", "vertebrae", "stage"."""
        return RECIPES[self.model].outputs

    @property
    def backbone(self) -> str:
        """The ResNet that the model is built on, or ""."""
        return RECIPES[self.model].backbone

    @property
    def traits(self) -> set[str]:
        """Its name and what else `TRAITS_NEEDED` may ask for."""
        has = {
            "network": self.model != "cvm",  # learns from pictures, by epochs; the layers of cvm are solved for at once
            "backbone": bool(self.backbone),
            "residual": self.model in ("landmarks", "vertebrae"),  # a U-Net of residual blocks, without a backbone
            "maps": "heatmaps" in self.outputs or self.finds_vertebrae,
            "points": self.finds_landmarks,
            "stage": self.names_stage,
        }
        return {self.model} | {name for name, there in has.items() if there}

    @property
    def finds_landmarks(self) -> bool:
        return "coordinates" in self.outputs or "heatmaps" in self.outputs

    @property
    def finds_vertebrae(self) -> bool:
        return "vertebrae" in self.outputs

    @property
    def reads_necks(self) -> bool:
        """Whether it is one of the models that `cervical.py` puts together."""
        return self.model in ("vertebrae", "cvm")

    @property
    def names_stage(self) -> bool:
        return "stage" in self.outputs

    def to_json(self) -> dict:
        """Plain types, for JSON files and checkpoints."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def check_facts(config: Config) -> None:
    """Refuses facts of training data that contradict each other; only a foreign or damaged file holds such."""
    known = set(config.landmarks) <= set(SYMBOLS) and len(set(config.landmarks)) == len(config.landmarks)
    taught = len(config.taught_by) == len(config.landmarks) and set(config.taught_by) <= {"expert", "reader"}
    stages = len(config.stage_counts) in (0, STAGE_COUNT) and all(count >= 0 for count in config.stage_counts)
    shape = len(config.head_shape) in (0, 2 * len(config.landmarks))
    facts = {"landmarks": known, "taught_by": taught, "stage_counts": stages, "head_shape": shape}
    for name, is_sound in facts.items():
        if not is_sound:
            raise UserError(f"The setting {name} of these weights contradicts the others; restore them or train again.")


def make_config(model: str, **settings) -> Config:
    """A model's recipe with some settings changed.

    Raises:
        UserError: an unknown model or a value out of range.
    """
    if model not in RECIPES:
        raise UserError(f"--model is {model!r}; choose one of {', '.join(RECIPES)}.")
    return Config(**(RECIPES[model].settings | settings | {"model": model}))


def config_from_json(content: dict) -> Config:
    """The config that `to_json` wrote.

    Raises:
        UserError: a setting is unknown (weights of a newer version), of another type or out of range.
    """
    if not isinstance(content, dict):
        raise UserError("These weights have no settings; restore them or train again.")
    known = {each.name for each in dataclasses.fields(Config)}
    unknown = sorted(set(content) - known)
    if unknown:
        raise UserError(f"These weights have settings unknown to this version ({quoted(unknown)}); update the project.")
    config = Config(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})
    check_facts(config)
    return config
