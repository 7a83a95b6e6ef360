"""The plan of rooms: imports point down, no one imports a command, each heavy library has its one room; and the
benchmarks, which stand above them, import no command of their own either.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the foundations up; a room may import only rooms before it.
ROOMS = [
    "settings", "config", "flags", "files", "journal",
    "facing", "geometry", "head", "strangers", "thumbnails", "headers", "images",
    "outlines", "labelme", "annotations", "films", "twins", "neck", "opinions", "audit",
    "warp", "artefacts", "augment", "cache", "dataset", "neck_dataset", "partition",
    "norms", "measurements", "analysis", "tracing", "korean", "korean_page", "words",
    "vertebrae_geometry", "stage_input",
    "backbone", "unet", "stage_net", "model", "losses", "metrics", "privacy", "checkpoint", "calibration", "intervals",
    "vertebra_finder", "stretch", "stage_namer", "cervical",
    "head_finder", "inference", "reading", "scoring", "neck_scoring", "schedule", "crossfit", "neck_crossfit",
    "stage_training", "stage_figures", "stage_run",
    "interruption", "memory", "processes", "training_log", "trainer", "run_setup",
    "report", "sharing", "card", "hub_client", "hub",
    "visualize", "reliability_figure", "wigglegram", "report_page", "exports",
    "anatomy", "sheet", "synthetic",
    "worker", "intake", "lightbox", "reader", "panels", "previews", "desk", "batch", "editor",
]  # fmt: skip
COMMANDS = [
    "train",
    "evaluate",
    "predict",
    "calibrate",
    "calibrate_vertebrae",
    "label_vertebrae",
    "split_dataset",
    "preprocess_roi",
    "convert_isbi2015",
    "phantom",
    "demo",
]
OWNERS = {
    "albumentations": {"augment"}, "sklearn": {"metrics", "partition"}, "torchvision": {"backbone"},
    "pydicom": {"images"},
    "safetensors": {"checkpoint"}, "gradio": {"demo", "editor"}, "huggingface_hub": {"hub_client", "hub"},
}  # fmt: skip
LONGEST = 350  # lines
TESTS = {path.stem: path for path in sorted((ROOT / "tests").glob("*.py"))}
MODULES = {path.stem: path for path in sorted(ROOT.glob("*.py"))}
BENCHMARKS = {path.stem: path for path in sorted((ROOT / "benchmarks").glob("*.py"))}


def imports(path: Path) -> set[str]:
    """The top-level names of all modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


def imported_benchmarks(path: Path) -> set[str]:
    """The names of all benchmarks that a file imports, or imports from, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.split(".")[1] for name in names if name.startswith("benchmarks.")} & set(BENCHMARKS)


def is_command(path: Path) -> bool:
    """Whether a file has a `main`."""
    parts = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(part, ast.FunctionDef) and part.name == "main" for part in parts)


def test_every_file_has_its_place():
    assert set(MODULES) == set(ROOMS) | set(COMMANDS)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    own = imports(MODULES[name]) & set(MODULES)
    assert not own & set(COMMANDS), "a command is imported"
    allowed = ROOMS[: ROOMS.index(name)] if name in ROOMS else ROOMS
    assert own <= set(allowed)


@pytest.mark.parametrize("name", MODULES)
def test_each_library_has_its_room(name):
    for library, owners in OWNERS.items():
        assert library not in imports(MODULES[name]) or name in owners


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_share_what_is_no_command(name):
    assert not {other for other in imported_benchmarks(BENCHMARKS[name]) if is_command(BENCHMARKS[other])}
    assert not imports(BENCHMARKS[name]) & set(TESTS)


@pytest.mark.parametrize("name", MODULES)
def test_no_room_needs_a_benchmark(name):
    assert "benchmarks" not in imports(MODULES[name])


@pytest.mark.parametrize("path", [*MODULES.values(), *BENCHMARKS.values()], ids=lambda path: path.stem)
def test_files_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("name", TESTS)
def test_tests_are_short_and_stand_alone(name):
    """What several of them need lies in conftest.py or in a helper beside it."""
    assert len(TESTS[name].read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert not imports(TESTS[name]) & {other for other in TESTS if other.startswith("test_")}
    if not name.startswith("test_"):
        assert not {other for other in imported_benchmarks(TESTS[name]) if is_command(BENCHMARKS[other])}


def test_only_commands_talk_to_the_hub():
    assert not {name for name in ROOMS if name != "hub" and imports(MODULES[name]) & {"hub", "hub_client"}}


@pytest.mark.parametrize("name", [*COMMANDS, "dataset", "hub"])
def test_help_needs_nothing(name):
    run = subprocess.run(
        [sys.executable, str(MODULES[name]), "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.returncode == 0 and "usage:" in run.stdout and len(run.stdout) > 200


def test_reading_films_needs_neither_albumentations_nor_torchvision():
    code = "import sys, inference; print({'albumentations', 'torchvision', 'pydicom'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.strip() == "set()"
