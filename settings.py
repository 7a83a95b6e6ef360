"""What one setting is, its default, flag, help and limits in one line, and which of its values are refused."""

import dataclasses
import math

TEXT_LISTS = ("landmarks", "taught_by")
LARGEST_INPUT = 2048 * 2048  # px; a file of weights may be small whatever input it asks for


class UserError(Exception):
    """A mistake the user can mend. Its text is one sentence that names the thing and the mend; commands print it
    alone.
    """


def setting(default, help: str, choices: tuple = (), low: float | None = None, high: float | None = None):
    """A field of `Config` whose flag, help text and limits are made from one line."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, "low": low, "high": high})


def flag_of(name: str) -> str:
    """The flag of a setting or of another argument."""
    return "--" + name.replace("_", "-")


def check_setting(each: dataclasses.Field, value: object) -> None:
    """Refuses a value of another type than its field's, or outside its choices or range."""
    low, high, choices = (each.metadata[key] for key in ("low", "high", "choices"))
    flag = flag_of(each.name)
    if not has_type_of(each.default, value, each.name):
        raise UserError(
            f"{flag} is {quoted(value)}; it must look like {show_value(each.name, each.default) or 'a list'}."
        )
    if choices and value not in choices:
        raise UserError(f"{flag} is {quoted(value)}; choose one of {', '.join(choices)}.")
    for number in value if isinstance(value, tuple) else (value,):
        if (low is not None and not number >= low) or (high is not None and not number <= high):
            limits = f"at least {low}" + (f" and at most {high}" if high is not None else "")
            raise UserError(f"{flag} is {number}; it must be {limits}.")
    if each.name == "image_size" and math.prod(value) > LARGEST_INPUT:
        size = "x".join(map(str, value))
        raise UserError(f"{flag} {size} would fill the memory; stay within as many pixels as 2048x2048 has.")


def has_type_of(default: object, value: object, name: str) -> bool:
    """Whether a setting's value, perhaps from a foreign file, has the type of its default."""
    if isinstance(default, tuple):
        kinds = str if name in TEXT_LISTS else (int, float) if name.endswith("_shape") else int
        counts = range(2, 3) if name.endswith("_size") else range(1, 11) if name == "widths" else range(1000)
        return isinstance(value, tuple) and len(value) in counts and all(is_plain(each, kinds) for each in value)
    return is_plain(value, (int, float) if isinstance(default, float) else type(default))


def is_plain(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Whether a value is of these types; true and false are no numbers here, nor is NaN."""
    if isinstance(value, bool):
        return kinds is bool
    return isinstance(value, kinds) and not (isinstance(value, float) and math.isnan(value))


def show_value(name: str, value: object) -> str:
    """A setting's value as its flag takes it: 640x512, 24,48 or 0.5."""
    between = "x" if name.endswith("_size") else ","
    return between.join(map(str, value)) if isinstance(value, tuple) else str(value)


def quoted(value: object) -> str:
    """What a user or a foreign file says, for an error message: on one line, printable and short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
