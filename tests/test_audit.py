"""`dataset.py --check` finds what Aariz really contains, and tells errors from warnings."""

import shutil

import pytest
from label_faults import BREAKAGES, SENIOR, edit

import dataset
from annotations import MACHINE_FILE
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


def test_labels_of_another_size_are_one_error_for_each_annotator(phantoms, capsys):
    path = min((phantoms / SENIOR).iterdir())

    def enlarge(content):
        for entry in content["landmarks"]:
            entry["value"] = {axis: 100 * value for axis, value in entry["value"].items()}

    edit(path, enlarge)
    status, out = audit(phantoms, capsys)
    assert status == 1 and "1 error\n" in out and "29 landmarks (A, ANS," in out and path.stem in out


def test_two_spellings_of_one_folder_are_an_error(phantoms, capsys):
    (phantoms / "Train" / "Cephalograms").mkdir(parents=True)
    status, out = audit(phantoms, capsys)
    assert status == 1 and "both Train and train" in out and "valid: 3 films" in out


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: [*rows, rows[1]], "twice"),
        (lambda rows: [row.replace(",", ";") for row in rows], "no column cephalogram_id"),
        (lambda rows: [*rows[:1], *(row.replace(",0.", ",x.") for row in rows[1:])], "pixel size"),
    ],
)
def test_a_broken_machine_file_is_one_error_and_hides_no_other(phantoms, capsys, damage, said):
    path = phantoms / MACHINE_FILE
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")
    min((phantoms / SENIOR).iterdir()).write_text("{")
    status, out = audit(phantoms, capsys)
    assert status == 1 and "2 errors\n" in out and said in out and "not valid JSON" in out
    assert "train: 5 films, 5 with landmarks" in out


def test_a_missing_pixel_size_is_a_warning(phantoms, capsys):
    path = phantoms / MACHINE_FILE
    rows = path.read_text().splitlines()
    film_id = rows.pop(2).split(",")[0]
    path.write_text("\n".join(rows) + "\n")
    status, out = audit(phantoms, capsys)
    assert status == 0 and "1 warning\n" in out and f"Film {film_id}" in out and "in pixels" in out
    path.unlink()
    status, out = audit(phantoms, capsys)
    assert status == 0 and "1 warning\n" in out and f"no {MACHINE_FILE}" in out


def test_a_machine_file_that_names_another_split_is_a_warning(phantoms, capsys):
    path = phantoms / MACHINE_FILE
    path.write_text(path.read_text().replace(",Valid", ",TRAIN"))
    status, out = audit(phantoms, capsys)
    assert status == 0 and "3 warnings\n" in out and "says train, its folder valid" in out


def test_points_of_one_annotator_alone_are_a_warning(phantoms, capsys):
    path = min((phantoms / SENIOR).iterdir())
    edit(path, lambda content: content["landmarks"].pop(LANDMARK_INDEX["Me"]))
    status, out = audit(phantoms, capsys)
    assert status == 0 and "1 warning\n" in out and "only the junior annotator gives Me." in out and path.stem in out
    shutil.rmtree(phantoms / SENIOR)
    status, out = audit(phantoms, capsys)
    assert status == 0 and "1 warning\n" in out and "train has no folder Senior Orthodontists" in out


def test_swapped_lips_are_a_warning(phantoms, capsys):
    path = min((phantoms / SENIOR).iterdir())

    def swap(content):
        upper, lower = (content["landmarks"][LANDMARK_INDEX[symbol]] for symbol in ("Ls", "Li"))
        upper["value"], lower["value"] = lower["value"], upper["value"]

    edit(path, swap)
    status, out = audit(phantoms, capsys)
    assert status == 0 and "1 warning\n" in out and "Ls and Li are swapped (kept out of training)" in out


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
    line = next(line for line in out.splitlines() if "annotators far apart at LPM" in line)
    assert status == 0 and path.stem in line and line.endswith("mm (kept out of training).")


def test_an_implausible_pixel_size_is_a_warning(phantoms, capsys):
    path = phantoms / MACHINE_FILE
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
