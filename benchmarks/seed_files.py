"""Small whole files of every kind that the project reads, for `mutating.py` to damage."""

import importlib.util
import io
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from annotations import MachineRecord, write_landmarks, write_machines, write_stage
from checkpoint import save_checkpoint, save_weights
from config import LANDMARK_COUNT, LANDMARKS, make_config
from headers import PNG_SIGNATURE
from labelme import POINT_COUNT, write_labelme
from model import build_model

FILM_ID = "film"


@dataclass(frozen=True)
class Seed:
    """A whole file."""

    name: str  # with its ending
    data: bytes
    kind: str  # "film", "landmarks", "stage", "machines", "labelme" or "weights"


def make_seeds(folder: Path) -> dict[str, Seed]:
    """One of each kind; `folder` is for files that are only written by name."""
    seeds = film_seeds() | label_seeds(folder) | weight_seeds(folder)
    if importlib.util.find_spec("pydicom") is None:
        print("pydicom is not there, so there are no DICOM files; pip install pydicom.", file=sys.stderr)
        return seeds
    return seeds | dicom_seeds()


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


def join_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of chunks, (name, content) each."""
    parts = [(struct.pack(">I", len(body)), name + body) for name, body in chunks]
    return PNG_SIGNATURE + b"".join(length + part + struct.pack(">I", zlib.crc32(part)) for length, part in parts)


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
    """DICOM files: plain, of run lengths, and with a JPEG or JPEG 2000 picture inside."""
    rows, columns = np.mgrid[:48, :64]
    grey = (100 + 90 * np.sin(columns / 9) * np.cos(rows / 7)).astype(np.uint8)
    runs = struct.pack("<16L", 1, 64, *[0] * 14) + b"".join(b"\x3f" + row.tobytes() for row in grey)
    jpeg, jpeg2000 = (cv2.imencode(suffix, grey)[1].tobytes() for suffix in (".jpg", ".jp2"))
    bare = jpeg2000[jpeg2000.index(b"\xff\x4f\xff\x51") :]  # DICOM holds it without the boxes around it
    files = {
        "plain.dcm": dicom_file("1.2.840.10008.1.2.1", grey.tobytes()),
        "runs.dcm": dicom_file("1.2.840.10008.1.2.5", runs),
        "jpeg.dcm": dicom_file("1.2.840.10008.1.2.4.50", jpeg),
        "jpeg2000.dcm": dicom_file("1.2.840.10008.1.2.4.90", bare),
    }
    return {name: Seed(name, data, "film") for name, data in files.items()}


def dicom_file(syntax: str, frame: bytes) -> bytes:
    """A DICOM file of one grey picture of 64 x 48 pixels, coded as the transfer syntax says."""
    import pydicom  # the project does without where no film is DICOM

    file = pydicom.dataset.FileDataset("", {}, preamble=b"\0" * 128)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    file.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = 48, 64, 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelSpacing = [0.1, 0.1]
    is_coded = file.file_meta.TransferSyntaxUID.is_encapsulated
    file.PixelData = pydicom.encaps.encapsulate([frame]) if is_coded else frame
    if is_coded:
        file["PixelData"].is_undefined_length = True
    data = io.BytesIO()
    file.save_as(data, enforce_file_format=True)
    return data.getvalue()


def label_seeds(folder: Path) -> dict[str, Seed]:
    """Annotations, the machine file and a LabelMe file."""
    points_px = np.random.default_rng(0).uniform(10, 900, (LANDMARK_COUNT, 2)).round(1)
    write_landmarks(folder / "landmarks.json", FILM_ID, points_px, notes={"S": {"annotator": "reader"}})
    write_stage(folder / "stage.json", FILM_ID, 3)
    machines = {f"film{number}": MachineRecord("Machine", 0.1 + number / 100, "png", "Train") for number in range(9)}
    write_machines(folder, machines | {"none": MachineRecord(None, None, "", "")})
    seeds = {name: Seed(name, (folder / name).read_bytes(), name[:-5]) for name in ("landmarks.json", "stage.json")}
    table = folder / "cephalogram_machine_mappings.csv"
    seeds["machines.csv"] = Seed(table.name, table.read_bytes(), "machines")
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
