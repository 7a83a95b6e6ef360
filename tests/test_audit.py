"""`dataset.py --check` finds what Aariz really contains, and tells errors from warnings."""

import shutil

import pytest
from test_films import BREAKAGES, SENIOR, edit

import dataset
from config import LANDMARK_INDEX


def audit(root, capsys) -> tuple[int, str]:
    status = dataset.main(["--check", str(root)])
    return status, capsys.readouterr().out


def test_a_clean_data_set_has_no_error(phantoms, capsys):
    status, out = audit(phantoms, capsys)
    assert status == 0 and "0 errors" in out and "0 warnings" in out and "train: 6 films, 6 with landmarks" in out


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_label_is_an_error(blobs, capsys, breakage):
    BREAKAGES[breakage](blobs)
    status, out = audit(blobs, capsys)
    assert status == 1 and any("error:" in line and "train002" in line for line in out.splitlines())


def test_an_unreadable_film_is_an_error(phantoms, capsys):
    film = sorted((phantoms / "valid" / "Cephalograms").iterdir())[1]
    film.write_bytes(film.read_bytes()[:100])
    status, out = audit(phantoms, capsys)
    assert status == 1 and film.stem in out and "1 error\n" in out


def test_a_point_outside_its_film_is_an_error(phantoms, capsys):
    path = min((phantoms / SENIOR).iterdir())
    edit(path, lambda content: content["landmarks"][0]["value"].update(x=99999))
    status, out = audit(phantoms, capsys)
    assert (
        status == 1 and f"Landmark A of the senior annotator lies outside film {phantoms}" in out and path.stem in out
    )


def test_a_film_in_two_splits_is_an_error(phantoms, capsys):
    for path in (phantoms / "valid").rglob("*00006.*"):
        target = phantoms / "test" / path.relative_to(phantoms / "valid")
        shutil.copy(path, target)
    status, out = audit(phantoms, capsys)
    assert status == 1 and "both in valid and in test" in out
    assert "they are in different splits" in out


def test_twins_with_different_stages_are_warnings(phantoms, capsys):
    source = min((phantoms / "train" / "Cephalograms").iterdir())
    target = sorted((phantoms / "test" / "Cephalograms").iterdir())[1]
    target.unlink()
    shutil.copy(source, target.with_suffix(source.suffix))
    status, out = audit(phantoms, capsys)
    assert status in (0, 1)  # the twin's labels may lie outside a smaller film
    twins = [line for line in out.splitlines() if "Twins" in line]
    assert len(twins) == 1 and source.stem in twins[0] and target.stem in twins[0]
    assert "different splits" in twins[0] and "their stages differ (1, 2)" in twins[0]


def test_annotators_far_apart_are_a_warning(phantoms, capsys):
    path = min((phantoms / SENIOR).iterdir())
    edit(path, lambda content: content["landmarks"][LANDMARK_INDEX["LPM"]]["value"].update(x=3, y=3))
    status, out = audit(phantoms, capsys)
    line = next(line for line in out.splitlines() if "annotators" in line)
    assert status == 0 and path.stem in line and "LPM (kept out of training)" in line


def test_an_implausible_pixel_size_is_a_warning(phantoms, capsys):
    path = phantoms / "cephalogram_machine_mappings.csv"
    rows = path.read_text().splitlines()
    fields = rows[3].split(",")
    fields[2] = "0.089" if float(fields[2]) > 0.19 else "0.5"
    path.write_text("\n".join([*rows[:3], ",".join(fields), *rows[4:]]) + "\n")
    status, out = audit(phantoms, capsys)
    line = next(line for line in out.splitlines() if "implausible pixel size" in line)
    assert status == 0 and fields[0] in line


def test_no_data_set_at_all(tmp_path, capsys):
    assert dataset.main(["--check", str(tmp_path)]) == 2
    assert "no folder train, valid or test" in capsys.readouterr().err
