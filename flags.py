"""What commands share of their command lines: default folders, and a flag for every setting of a `Config`."""

import argparse
import dataclasses

from config import DATA_FACTS, Config, make_config
from settings import flag_of, show_value

DEFAULT_DATASET = "Aariz"
DEFAULT_ROI_DATASET = "Aariz_ROI"
DEFAULT_OUTPUT = "checkpoints"
DEFAULT_CACHE = "cache"


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """One flag per setting; a flag that is not given keeps the model's recipe."""
    group = parser.add_argument_group(
        f"settings (each model has its own recipe, that of {Config.model} is shown; a flag overrides it)"
    )
    recipe = make_config(Config.model)
    for each in dataclasses.fields(Config):
        if each.name in DATA_FACTS:
            continue
        flag, default = flag_of(each.name), each.default
        shown = show_value(each.name, getattr(recipe, each.name))
        options = {"help": f"{each.metadata['help']} (default: {shown})", "default": argparse.SUPPRESS}
        if isinstance(default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        elif isinstance(default, tuple):
            group.add_argument(flag, type=parse_image_size if each.name.endswith("_size") else parse_numbers, **options)
        else:
            choices = {"choices": each.metadata["choices"]} if each.metadata["choices"] else {}
            group.add_argument(flag, type=type(default), **options, **choices)


def config_from_flags(arguments: argparse.Namespace) -> Config:
    """The config that the parsed flags ask for."""
    names = {each.name for each in dataclasses.fields(Config)} - set(DATA_FACTS)
    given = {name: value for name, value in vars(arguments).items() if name in names}
    return make_config(given.pop("model", Config.model), **given)


def parse_image_size(text: str) -> tuple[int, int]:
    """ "640x512" to (640, 512), "512" to (512, 512)."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, for example 640x512")
    return int(parts[0]), int(parts[-1])


def parse_numbers(text: str) -> tuple[int, ...]:
    """ "24,48" to (24, 48)."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not made of whole numbers") from None
