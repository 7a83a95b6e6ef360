"""What a picture file says of itself before anything of it is decoded: its size, its depth, and whether it is whole.

A file of a few kilobytes can claim a picture of gigabytes; such a bomb must be known before a decoder obeys it.
"""

import struct
import zlib
from dataclasses import dataclass

# Aariz holds films of 95 megapixels; nothing that a scanner makes is much larger.
LARGEST_PIXELS = 120_000_000
LARGEST_BYTES = 400_000_000  # decoded, in the file's own depth
MOST_JPEG_SCANS = 100  # each costs a pass over the whole picture; a progressive film has about ten

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}  # colour type to samples per pixel as they are decoded
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # start of frame; F7 is JPEG-LS
JPEG_BARE = frozenset(range(0xD0, 0xD8)) | {0x01}  # markers without a length
TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 16: 8, 17: 8}  # type to bytes of one value
TIFF_WIDTH, TIFF_HEIGHT, TIFF_BITS, TIFF_SAMPLES, TIFF_TILE_WIDTH, TIFF_TILE_HEIGHT = 256, 257, 258, 277, 322, 323


class Damaged(Exception):
    """A header that contradicts itself or ends too early; its text says how."""


@dataclass(frozen=True)
class Header:
    """A picture as its file announces it."""

    width: int  # px
    height: int  # px
    samples: int  # per pixel
    bits: int  # per sample

    @property
    def decoded_bytes(self) -> int:
        """Memory of the decoded picture."""
        return self.width * self.height * self.samples * max(1, -(-self.bits // 8))

    def refusal(self) -> str | None:
        """Why the picture must not be decoded; None where it may."""
        if self.width < 1 or self.height < 1:
            return "it has no pixels"
        if self.width * self.height > LARGEST_PIXELS or self.decoded_bytes > LARGEST_BYTES:
            size = f"{self.width} x {self.height} pixels of {self.samples * self.bits} bits"
            return f"it claims {size}, more than any film has"
        return None


def read_header(data: bytes) -> Header:
    """The header of a PNG, JPEG, BMP, TIFF or JPEG 2000 file.

    Raises:
        Damaged: it is none of these, or a part that must be there is missing or broken.
    """
    try:
        if data[:8] == PNG_SIGNATURE:
            return read_png(data)
        if data[:3] == b"\xff\xd8\xff":
            return read_jpeg(data)
        if data[:2] == b"BM":
            return read_bmp(data)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return read_tiff(data)
        if data[:4] == b"\xff\x4f\xff\x51":
            return read_jpeg2000(data)
    except (struct.error, IndexError):
        raise Damaged("its header is cut off") from None
    raise Damaged("it is no PNG, JPEG, BMP or TIFF file")


def read_png(data: bytes) -> Header:
    """Checks every chunk as well: decoders pass over some that are broken, and give a picture with holes."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR" or colour not in PNG_SAMPLES:
        raise Damaged("its header is broken")
    place, name = 8, b""
    while name != b"IEND":
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        name, stored = data[place + 4 : place + 8], data[end : end + 4]
        if zlib.crc32(memoryview(data)[place + 4 : end]) != int.from_bytes(stored, "big") or len(stored) < 4:
            raise Damaged("one of its chunks is broken")
        place = end + 4
    return Header(width, height, PNG_SAMPLES[colour], 8 if colour == 3 else bits)


def read_jpeg(data: bytes) -> Header:
    """Walks the segments to the start of the frame."""
    place = 2
    while True:
        if data[place] != 0xFF:
            raise Damaged("its segments do not follow each other")
        marker = data[place + 1]
        if marker == 0xFF:  # a filling byte
            place += 1
        elif marker in JPEG_BARE:
            place += 2
        elif marker in JPEG_FRAMES:
            bits, height, width, samples = struct.unpack_from(">BHHB", data, place + 4)
            break
        elif marker in (0xD9, 0xDA):
            raise Damaged("it has no frame")
        else:
            place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    if data.count(b"\xff\xda", place) > MOST_JPEG_SCANS:
        raise Damaged(f"it has more than {MOST_JPEG_SCANS} scans")
    return Header(width, height, samples, bits)


def read_bmp(data: bytes) -> Header:
    """Both the old header of 12 bytes and all later ones."""
    (size,) = struct.unpack_from("<I", data, 14)
    width, height, planes, bits = struct.unpack_from("<HHHH" if size == 12 else "<iiHH", data, 18)
    if planes != 1 or bits not in (1, 4, 8, 16, 24, 32):
        raise Damaged("its header is broken")
    return Header(width, abs(height), max(3, bits // 8), 8)  # palettes and 16 bits become three samples


def read_tiff(data: bytes) -> Header:
    """The first page, of classic and big TIFF; a tile counts as much as the page, since it is decoded whole."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    first, step, inline = (place + 8, 20, 8) if big else (place + 2, 12, 4)
    tags = {}
    for entry in range(first, first + step * min(count, 4096), step):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        (number,) = struct.unpack_from(order + ("Q" if big else "I"), data, entry + 4)
        if kind not in TIFF_SIZES or not 1 <= number <= 64:
            continue
        where = entry + step - inline
        if TIFF_SIZES[kind] * number > inline:
            (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
        form = {1: "B", 2: "H", 4: "I", 8: "Q"}[TIFF_SIZES[kind]]
        tags[tag] = max(struct.unpack_from(f"{order}{number}{form}", data, where))
    if TIFF_WIDTH not in tags or TIFF_HEIGHT not in tags:
        raise Damaged("it does not say how large it is")
    tile = Header(tags.get(TIFF_TILE_WIDTH, 1), tags.get(TIFF_TILE_HEIGHT, 1), tags.get(TIFF_SAMPLES, 1), 8)
    if tile.refusal():
        raise Damaged("its tiles are larger than a film")
    return Header(tags[TIFF_WIDTH], tags[TIFF_HEIGHT], tags.get(TIFF_SAMPLES, 1), tags.get(TIFF_BITS, 1))


def read_jpeg2000(data: bytes) -> Header:
    """A bare codestream, as DICOM holds it."""
    right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
    (samples,) = struct.unpack_from(">H", data, 40)
    return Header(right - left, bottom - top, samples, (data[42] & 0x7F) + 1)
