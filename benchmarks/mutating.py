"""What may become of a file: one that was sound, damaged blindly or by someone who knows its format.

A mutation follows from (name, number) alone, so that one that failed can be made again.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors

from benchmarks.seed_files import Seed, join_chunks
from checkpoint import content_digest, with_ordered_header

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20, 1 << 28)
ODD_VALUES = (
    None, True, False, 0, -1, 7, 64, 2048, 8192, 1e308, float("nan"), float("inf"), 10**400, "", "S", "1", "nan",
    "1e999", "\ud800", "\0", "x" * 5000, [], {}, [[]], {"x": 1}, [1, 2], "../../etc/passwd", "line\nbreak",
)  # fmt: skip
ODD_CELLS = (
    "", "nan", "-1", "1e999", "0", '"', '"a,b"', "\0", "x" * 200_000, "\u0661", "1_0", " 0.1 ", "=1+1", "\n", ",", ";",
)  # fmt: skip


def mutate(seed: Seed, number: int) -> tuple[bytes, str]:
    """The `number`-th mutation of a seed, and how it came about."""
    generator = np.random.default_rng([zlib.crc32(seed.name.encode()), number])
    suffix = Path(seed.name).suffix
    clever = {".json": vary_json, ".csv": vary_table, ".png": vary_png, ".pth": vary_archive, ".safetensors": vary_safe}
    if suffix in clever and generator.random() < 0.6:
        return clever[suffix](seed.data, generator), clever[suffix].__name__
    return vary_bytes(seed.data, generator), "vary_bytes"


# --- blind changes ----------------------------------------------------------------------------------------------------
# Each changes the bytes in place at `place`, over `length` bytes where it needs a length.


def flip_bit(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """One bit is the other."""
    changed[place] ^= 1 << int(generator.integers(8))


def set_byte(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """One byte is any other."""
    changed[place] = int(generator.integers(256))


def set_number(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """A number at the edge of what its bytes can hold: sizes and offsets are such numbers."""
    form = str(generator.choice(["<H", ">H", "<I", ">I", "B"]))
    value = int(generator.choice(np.array(INTERESTING, dtype=np.int64)))
    packed = struct.pack(form, value % (1 << 8 * struct.calcsize(form)))
    changed[place : place + len(packed)] = packed


def cut_end(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """The file ends here."""
    del changed[place:]


def cut_out(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """Some bytes are missing."""
    del changed[place : place + length]


def repeat(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """Some bytes come several times."""
    changed[place:place] = changed[place : place + length] * int(generator.integers(1, 30))


def set_zero(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """Some bytes are zero."""
    changed[place : place + length] = bytes(length)


def insert_noise(changed: bytearray, place: int, length: int, generator: np.random.Generator) -> None:
    """Random bytes come in between."""
    changed[place:place] = generator.integers(0, 256, length, dtype=np.uint8).tobytes()


# A mutation that failed is made again by its number, so the order stays as it is.
CHANGES = (flip_bit, set_byte, set_number, cut_end, cut_out, repeat, set_zero, insert_noise)


def vary_bytes(data: bytes, generator: np.random.Generator) -> bytes:
    """One to four blind changes; the beginning, where headers are, is hit as often as all the rest."""
    changed = bytearray(data)
    for _ in range(int(generator.integers(1, 5))):
        if not changed:
            break
        reach = len(changed) if generator.random() < 0.5 else min(len(changed), 256)
        place, length = int(generator.integers(reach)), int(generator.integers(1, 40))
        CHANGES[int(generator.integers(len(CHANGES)))](changed, place, length, generator)
    return bytes(changed)


def vary_json(data: bytes, generator: np.random.Generator) -> bytes:
    """One or two values somewhere in the tree become others, or vanish."""
    content = json.loads(data)
    for _ in range(int(generator.integers(1, 3))):
        holders = [each for each in walk(content) if isinstance(each, (dict, list)) and each]
        if not holders:
            break
        holder = holders[int(generator.integers(len(holders)))]
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[int(generator.integers(len(keys)))]
        choice = generator.random()
        if choice < 0.15:
            del holder[key]
        elif choice < 0.3 and isinstance(holder, list):
            holder.append(holder[key])
        elif choice < 0.4 and isinstance(holder, dict):
            holder[str(generator.choice(["x", "", "Value", "ceph_id", "symbol"]))] = holder.pop(key)
        else:
            holder[key] = ODD_VALUES[int(generator.integers(len(ODD_VALUES)))]
    return json.dumps(content, indent=1).encode()


def walk(content: object):
    """Every value of a JSON tree."""
    yield content
    for each in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from walk(each)


def vary_table(data: bytes, generator: np.random.Generator) -> bytes:
    """Cells and rows change, vanish or come twice."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(int(generator.integers(1, 4))):
        row = rows[int(generator.integers(len(rows)))]
        choice = generator.random()
        if choice < 0.15:
            rows.append(list(row))
        elif choice < 0.3 and len(row) > 1:
            del row[int(generator.integers(len(row)))]
        elif choice < 0.4:
            row.append("more")
        else:
            row[int(generator.integers(len(row)))] = ODD_CELLS[int(generator.integers(len(ODD_CELLS)))]
    text = str(generator.choice(["\n", "\r\n", "\r"])).join(",".join(row) for row in rows)
    return (b"\xef\xbb\xbf" if generator.random() < 0.2 else b"") + text.encode()


def vary_png(data: bytes, generator: np.random.Generator) -> bytes:
    """The content of a chunk changes and its checksum with it, so that the decoder gets to see it."""
    place, chunks = 8, []
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    index = int(generator.integers(len(chunks)))
    chunks[index] = chunks[index][0], vary_bytes(chunks[index][1], generator)[:100_000]
    return join_chunks(chunks)


def vary_archive(data: bytes, generator: np.random.Generator) -> bytes:
    """A part of a checkpoint changes and its checksum with it, a payload is planted, or the archive is packed anew."""
    choice, vary = generator.random(), vary_bytes
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    pickled = next(name for name in names if name.endswith("data.pkl"))
    chosen = pickled if generator.random() < 0.6 else names[int(generator.integers(len(names)))]
    if choice < 0.05:
        return with_payload(zipfile.ZipFile(io.BytesIO(data)).read(pickled), generator)  # no archive at all
    if choice < 0.25:
        chosen, vary = pickled, with_payload
    return pack_anew(data, lambda name, body: vary(body, generator) if name == chosen else body, choice > 0.9)


def pack_anew(data: bytes, change: Callable[[str, bytes], bytes], packed: bool = False) -> bytes:
    """An archive with some of its parts changed, compressed or as they are."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name in source.namelist():
            archive.writestr(name, change(name, source.read(name)))
    return target.getvalue()


# Opcodes of pickle that run a text and drop what comes of it; `mutations` looks whether it ran.
PAYLOAD_MARK = "payload_ran"
PAYLOADS = tuple(
    call + f"(Vimport sys; sys.{PAYLOAD_MARK} = True\ntR0".encode()
    for call in (b"cbuiltins\nexec\n", b"c__builtin__\nexec\n", b"\x8c\x08builtins\x8c\x04exec\x93")
)


# Where `with_payload` has been at work, in words for a count.
PLANTED = ("whole .pth", "bare pickles")


def where_planted(data: bytes) -> str | None:
    """Of `PLANTED`, where a mutated file carries code; None where it carries none. It is never planted in compressed
    parts, so it can be seen.
    """
    return PLANTED[0 if data.startswith(b"PK") else 1] if PAYLOAD_MARK.encode() in data else None


def with_payload(pickled: bytes, generator: np.random.Generator) -> bytes:
    """A pickle that runs code before it says what it said before, or after."""
    payload = PAYLOADS[int(generator.integers(len(PAYLOADS)))]
    end = pickled.rindex(b".")
    return pickled[:2] + payload + pickled[2:] if generator.random() < 0.7 else pickled[:end] + payload + pickled[end:]


def vary_safe(data: bytes, generator: np.random.Generator) -> bytes:
    """Settings or facts change, and the digest with them, as a forger would do it."""
    (length,) = struct.unpack_from("<Q", data)
    texts = json.loads(data[8 : 8 + length])["__metadata__"]
    name = "config" if generator.random() < 0.7 else "facts"
    texts[name] = vary_json(texts[name].encode(), generator).decode()
    tensors = from_safetensors(data)
    return with_ordered_header(to_safetensors(tensors, texts | {"digest": content_digest(tensors, texts)}))
