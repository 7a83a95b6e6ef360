"""What many tests start from: blob films made in a moment, phantoms where anatomy matters, a Hub, the page served.

The Hub's client and Gradio are imported by the fixtures that need them: not before the environment is set below.
"""

import contextlib
import io
import os
import shutil
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fake_hub import WRITER, FakeHub

import phantom
from annotations import MachineRecord, write_landmarks, write_machines, write_stage
from benchmarks.measuring import installed_chromium
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

WINDOW = {"width": 1440, "height": 900}

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


# --- the Hub ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake(monkeypatch, tmp_path) -> FakeHub:
    """A running fake Hub, an empty cache, and the login of someone who may write."""
    from huggingface_hub import constants

    import hub
    import sharing

    server = FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    for room in (hub, sharing):
        monkeypatch.setattr(room, "BUNDLED", tmp_path / "no-weights")
    yield server
    server.stop()


@pytest.fixture
def hurried(monkeypatch):
    """The client does not wait between its tries."""
    wait = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: wait(min(seconds, 0.01)))


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    """Where the served page keeps what it is sent."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def served(uploads):
    """The served page with a reader that knows its answer, and its address."""
    from known_reading import KnowingReader

    import demo
    from desk import Desk

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        desk = Desk(KnowingReader(), 2)
        blocks = demo.build_page(desk)
        options = demo.make_parser().parse_args(["--max-upload", "2"])
        _, address, _ = demo.launch(blocks, options, prevent_thread_lock=True, quiet=True)
        yield desk, address
        blocks.close()


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: the system's, or playwright's own."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as player:
        try:
            browser = player.chromium.launch(executable_path=installed_chromium(), args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("no Chromium is installed: apt-get install chromium, or playwright install chromium")
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, served):
    """Opens the page in a fresh context; anything that goes wrong in its scripts, or is asked of others, fails."""
    with contextlib.ExitStack() as stack:
        troubles = []

        def go(**settings):
            context = stack.enter_context(browser.new_context(**({"viewport": WINDOW, "locale": "en-GB"} | settings)))
            page = context.new_page()
            page.set_default_timeout(90_000)  # a busy machine is slow
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("request", lambda request: ask_of(request.url))
            page.goto(served[1])
            page.wait_for_selector(".ceph .drop h2:not(:empty)")
            return page

        def ask_of(url: str) -> None:
            if not url.startswith((served[1], "data:", "blob:")):
                troubles.append(f"asked of another machine: {url}")

        yield go
        assert not troubles


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of the size that the known points are for."""
    path = tmp_path_factory.mktemp("film") / "head 1.png"
    grey = np.tile(np.linspace(20, 220, 1935, dtype=np.uint8), (2400, 1))
    path.write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    return path
