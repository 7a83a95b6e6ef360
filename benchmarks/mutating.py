"""Small whole files of every kind that the project reads, and what may become of them: seeds and mutators.

A mutation follows from (kind, number) alone, so that one that failed can be made again.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors

from annotations import MachineRecord, write_landmarks, write_machines, write_stage
from checkpoint import content_digest, save_checkpoint, save_weights
from config import LANDMARK_COUNT, LANDMARKS, make_config
from headers import PNG_SIGNATURE
from model import build_model

FILM_ID = "film"
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20, 1 << 28)
ODD_VALUES = (
    None, True, False, 0, -1, 7, 64, 2048, 8192, 1e308, float("nan"), float("inf"), 10**400, "", "S", "1", "nan",
    "1e999", "\ud800", "\0", "x" * 5000, [], {}, [[]], {"x": 1}, [1, 2], "../../etc/passwd", "line\nbreak",
)  # fmt: skip
ODD_CELLS = (
    "", "nan", "-1", "1e999", "0", '"', '"a,b"', "\0", "x" * 200_000, "\u0661", "1_0", " 0.1 ", "=1+1", "\n", ",", ";",
)  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """A whole file."""

    name: str  # with its ending
    data: bytes
    kind: str  # "film", "landmarks", "stage", "machines", "labelme" or "weights"


# --- seeds ------------------------------------------------------------------------------------------------------------


def make_seeds(folder: Path) -> dict[str, Seed]:
    """One of each kind; `folder` is for files that are only written by name."""
    seeds = film_seeds() | label_seeds(folder) | weight_seeds(folder)
    try:
        return seeds | dicom_seeds()
    except ImportError:
        return seeds


def film_seeds() -> dict[str, Seed]:
    """The same small film in every format that OpenCV writes, and in some that only others do."""
    rows, columns = np.mgrid[:72, :96]
    grey = (60 + 50 * np.sin(columns / 9) + 50 * np.cos(rows / 7) + (rows * columns) % 13).astype(np.uint8)
    colour = np.dstack([grey, 255 - grey, grey // 2])
    deep = grey.astype(np.uint16) * 211
    pictures = {
        "grey.png": (grey, []), "deep.png": (deep, []), "clear.png": (np.dstack([colour, grey]), []),
        "grey.jpg": (grey, []), "colour.jpg": (colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        "grey.bmp": (grey, []), "colour.bmp": (colour, []),
        "grey.tif": (grey, [cv2.IMWRITE_TIFF_COMPRESSION, 1]), "deep.tif": (deep, []),
        "deflated.tif": (colour, [cv2.IMWRITE_TIFF_COMPRESSION, 8]),
        "packed.tif": (grey, [cv2.IMWRITE_TIFF_COMPRESSION, 32773]),
        "real.tif": (deep.astype(np.float32) / 7, []),
    }  # fmt: skip
    seeds = {}
    for name, (picture, flags) in pictures.items():
        done, data = cv2.imencode(Path(name).suffix, picture, flags)
        assert done, name
        seeds[name] = Seed(name, data.tobytes(), "film")
    others = {
        "palette.png": palette_png(grey), "turned.jpg": turned_jpeg(seeds["colour.jpg"].data),
        "runs.bmp": run_length_bmp(grey), "tiled.tif": tiled_tiff(grey),
    }  # fmt: skip
    return seeds | {name: Seed(name, data, "film") for name, data in others.items()}


def palette_png(grey: np.ndarray) -> bytes:
    """A PNG file whose pixels are numbers of colours."""
    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)  # each behind the number of its filter
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = bytes(shade for number in range(256) for shade in (number, number, 255 - number))
    return join_chunks([(b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def turned_jpeg(data: bytes) -> bytes:
    """A JPEG file with an EXIF orientation of a quarter turn."""
    tags = b"Exif\0\0" + b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(tags)) + tags + data[2:]


def run_length_bmp(grey: np.ndarray) -> bytes:
    """A BMP file whose rows are runs of one pixel each."""
    height, width = grey.shape
    ones = np.ones_like(grey)
    rows = b"".join(np.dstack([ones[row], grey[row]]).tobytes() + b"\0\0" for row in range(height)) + b"\0\1"
    colours = b"".join(bytes([number, number, number, 0]) for number in range(256))
    begin = 54 + len(colours)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 2835, 2835, 256, 0)
    return b"BM" + struct.pack("<IHHI", begin + len(rows), 0, 0, begin) + head + colours + rows


def tiled_tiff(grey: np.ndarray) -> bytes:
    """A TIFF file of one tile, larger than its page."""
    height, width = grey.shape
    side = -(-max(height, width) // 16) * 16
    tile = np.zeros((side, side), np.uint8)
    tile[:height, :width] = grey
    sizes = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 322: side, 323: side}
    begin = 8 + 2 + 12 * (len(sizes) + 2) + 4
    tags = sizes | {324: begin, 325: side * side}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tile.tobytes()


def dicom_seeds() -> dict[str, Seed]:
    """DICOM files: plain, of run lengths, and with a JPEG or JPEG 2000 picture inside.

    Raises:
        ImportError: pydicom is not there.
    """
    import pydicom

    rows, columns = np.mgrid[:48, :64]
    grey = (100 + 90 * np.sin(columns / 9) * np.cos(rows / 7)).astype(np.uint8)
    runs = struct.pack("<16L", 1, 64, *[0] * 14) + b"".join(b"\x3f" + row.tobytes() for row in grey)
    jpeg, jpeg2000 = (cv2.imencode(suffix, grey)[1].tobytes() for suffix in (".jpg", ".jp2"))
    bare = jpeg2000[jpeg2000.index(b"\xff\x4f\xff\x51") :]  # DICOM holds it without the boxes around it
    seeds = {}
    for name, syntax, frame in (
        ("plain.dcm", "1.2.840.10008.1.2.1", grey.tobytes()),
        ("runs.dcm", "1.2.840.10008.1.2.5", runs),
        ("jpeg.dcm", "1.2.840.10008.1.2.4.50", jpeg),
        ("jpeg2000.dcm", "1.2.840.10008.1.2.4.90", bare),
    ):
        file = pydicom.dataset.FileDataset("", {}, preamble=b"\0" * 128)
        file.file_meta = pydicom.dataset.FileMetaDataset()
        file.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        file.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
        file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = 48, 64, 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
        file.PixelSpacing = [0.1, 0.1]
        if file.file_meta.TransferSyntaxUID.is_encapsulated:
            file.PixelData = pydicom.encaps.encapsulate([frame])
            file["PixelData"].is_undefined_length = True
        else:
            file.PixelData = frame
        data = io.BytesIO()
        file.save_as(data, enforce_file_format=True)
        seeds[name] = Seed(name, data.getvalue(), "film")
    return seeds


def label_seeds(folder: Path) -> dict[str, Seed]:
    """Annotations, the machine file and, where the project reads it, a LabelMe file."""
    points_px = np.random.default_rng(0).uniform(10, 900, (LANDMARK_COUNT, 2)).round(1)
    write_landmarks(folder / "landmarks.json", FILM_ID, points_px, notes={"S": {"annotator": "reader"}})
    write_stage(folder / "stage.json", FILM_ID, 3)
    machines = {f"film{number}": MachineRecord("Machine", 0.1 + number / 100, "png", "Train") for number in range(9)}
    write_machines(folder, machines | {"none": MachineRecord(None, None, "", "")})
    seeds = {name: Seed(name, (folder / name).read_bytes(), name[:-5]) for name in ("landmarks.json", "stage.json")}
    table = folder / "cephalogram_machine_mappings.csv"
    seeds["machines.csv"] = Seed(table.name, table.read_bytes(), "machines")
    try:
        from labelme import POINT_COUNT, write_labelme
    except ImportError:
        return seeds
    write_labelme(folder / "labelme.json", points_px[:POINT_COUNT], (1000, 1000))
    return seeds | {"labelme.json": Seed("labelme.json", (folder / "labelme.json").read_bytes(), "labelme")}


def weight_seeds(folder: Path) -> dict[str, Seed]:
    """A tiny model as shared weights and as a checkpoint."""
    config = make_config("landmarks", head_frame=False, image_size=(32, 32), widths=(16, 16), blocks=1)
    torch.manual_seed(0)
    model = build_model(config)
    factors = {symbol: 2.0 for symbol, _, _ in LANDMARKS}
    facts = {"calibration": {"offset_net": 1.0, "factors": factors, "films": 3}}
    save_weights(folder / "w.safetensors", model, config, facts)
    save_checkpoint(folder / "w.pth", {"model": model.state_dict(), "config": config.to_json(), "facts": facts})
    return {name: Seed(name, (folder / name).read_bytes(), "weights") for name in ("w.safetensors", "w.pth")}


# --- mutators ---------------------------------------------------------------------------------------------------------


def mutate(seed: Seed, number: int) -> tuple[bytes, str]:
    """The `number`-th mutation of a seed, and how it came about."""
    generator = np.random.default_rng([zlib.crc32(seed.name.encode()), number])
    suffix = Path(seed.name).suffix
    clever = {".json": vary_json, ".csv": vary_table, ".png": vary_png, ".pth": vary_archive, ".safetensors": vary_safe}
    if suffix in clever and generator.random() < 0.6:
        return clever[suffix](seed.data, generator), clever[suffix].__name__
    return vary_bytes(seed.data, generator), "vary_bytes"


def vary_bytes(data: bytes, generator: np.random.Generator) -> bytes:
    """One to four blind changes; the beginning, where headers are, is hit as often as all the rest."""
    changed = bytearray(data)
    for _ in range(int(generator.integers(1, 5))):
        if not changed:
            break
        reach = len(changed) if generator.random() < 0.5 else min(len(changed), 256)
        place, length = int(generator.integers(reach)), int(generator.integers(1, 40))
        change = int(generator.integers(8))
        if change == 0:
            changed[place] ^= 1 << int(generator.integers(8))
        elif change == 1:
            changed[place] = int(generator.integers(256))
        elif change == 2:
            form = str(generator.choice(["<H", ">H", "<I", ">I", "B"]))
            value = int(generator.choice(np.array(INTERESTING, dtype=np.int64)))
            packed = struct.pack(form, value % (1 << 8 * struct.calcsize(form)))
            changed[place : place + len(packed)] = packed
        elif change == 3:
            del changed[place:]
        elif change == 4:
            del changed[place : place + length]
        elif change == 5:
            changed[place:place] = changed[place : place + length] * int(generator.integers(1, 30))
        elif change == 6:
            changed[place : place + length] = bytes(length)
        else:
            changed[place:place] = generator.integers(0, 256, length, dtype=np.uint8).tobytes()
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


def join_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of chunks, (name, content) each."""
    parts = [(struct.pack(">I", len(body)), name + body) for name, body in chunks]
    return PNG_SIGNATURE + b"".join(length + part + struct.pack(">I", zlib.crc32(part)) for length, part in parts)


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
    return to_safetensors(tensors, texts | {"digest": content_digest(tensors, texts)})
