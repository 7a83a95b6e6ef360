"""Data sets that the tests make: blob films in a moment, phantoms where anatomy matters."""

import io
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import phantom
from annotations import MachineRecord, write_landmarks, write_machines, write_stage
from config import ANNOTATORS, LANDMARK_COUNT
from images import write_png

# Read by the Hub's client on import: no test may meet the real Hub, or the login and cache of whoever runs it.
HUB_HOME = tempfile.TemporaryDirectory(prefix="tests-hub-")
os.environ |= {
    "HF_HOME": HUB_HOME.name,
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
}
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
    os.environ.pop(name, None)

torch.set_num_threads(1)
cv2.setNumThreads(1)


def draw_blobs(size: tuple[int, int], points_px: np.ndarray, sigma_px: float = 2.0) -> np.ndarray:
    """A dark (height, width) film with a bright Gaussian at each point."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    film = np.zeros(size)
    for x, y in points_px:
        if not np.isnan([x, y]).any():
            film = np.maximum(film, np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma_px**2)))
    return np.rint(250 * film).astype(np.uint8)


def centroid(film: np.ndarray, near_px: np.ndarray, radius_px: int = 8) -> np.ndarray:
    """The (x, y) centre of brightness in a window."""
    x, y = np.rint(near_px).astype(int)
    left, top = max(x - radius_px, 0), max(y - radius_px, 0)
    window = film[top : y + radius_px + 1, left : x + radius_px + 1].astype(np.float64)
    rows, columns = np.mgrid[: window.shape[0], : window.shape[1]]
    return np.array([(window * columns).sum(), (window * rows).sum()]) / window.sum() + [left, top]


def write_blob_dataset(
    root: Path, counts: dict[str, int], points: int = LANDMARK_COUNT, stages: bool = True, seed: int = 0
) -> Path:
    """Films of 120x96 px whose points are blobs, in Aariz's layout; the first `points` landmarks are annotated."""
    generator = np.random.default_rng(seed)
    machines = {}
    for split, count in counts.items():
        for number in range(count):
            film_id = f"{split}{number:03d}"
            truth_px = generator.uniform(10, 85, (LANDMARK_COUNT, 2))
            # Ls above Li and N above Me, as on any head.
            truth_px[[4, 25], 1], truth_px[[3, 24], 1] = [12, 30], [100, 60]
            truth_px[points:] = np.nan
            write_png(root / split / "Cephalograms" / f"{film_id}.png", draw_blobs((120, 96), truth_px))
            for annotator, shift in zip(ANNOTATORS, (-1.0, 1.0), strict=True):
                folder = root / split / "Annotations" / "Cephalometric Landmarks" / annotator
                if points:
                    write_landmarks(folder / f"{film_id}.json", film_id, np.rint(truth_px) + shift)
            if stages:
                write_stage(root / split / "Annotations" / "CVM Stages" / f"{film_id}.json", film_id, number % 6 + 1)
            machine = f"machine {number % 2}"
            machines[film_id] = MachineRecord(machine, 0.5 if number % 2 else 0.25, "png", split.capitalize())
    write_machines(root, machines)
    return root


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    """A blob data set: 8 films to train, 4 to validate, 4 to test."""
    return write_blob_dataset(tmp_path / "blobs", {"train": 8, "valid": 4, "test": 4})


@pytest.fixture(scope="session")
def drawn_phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom data set of 12 films, not to be changed."""
    root = tmp_path_factory.mktemp("drawn") / "phantoms"
    assert phantom.main([str(root), "--films", "12", "--valid", "3", "--test", "3", "--seed", "5"]) == 0
    return root


@pytest.fixture
def phantoms(drawn_phantoms: Path, tmp_path: Path) -> Path:
    """A copy of the phantom data set, to be damaged."""
    return Path(shutil.copytree(drawn_phantoms, tmp_path / "phantoms"))


@pytest.fixture
def dicom_bytes() -> bytes:
    """A DICOM file of 64x48 px at 0.1 mm."""
    pydicom = pytest.importorskip("pydicom")
    file = pydicom.dataset.FileDataset("film.dcm", {}, preamble=b"\0" * 128)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = 48, 64, 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelSpacing = [0.1, 0.1]
    file.PixelData = np.arange(48 * 64, dtype=np.uint16).tobytes()
    data = io.BytesIO()
    file.save_as(data, enforce_file_format=True)
    return data.getvalue()
