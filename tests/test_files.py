"""Small files are written whole or not at all, and faults become one sentence."""

import pytest

from config import UserError
from files import read_bytes, read_csv, read_json, remove_leftovers, write_bytes, write_csv, write_json


def test_a_failed_write_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "replace", full)
    with pytest.raises(UserError, match=r"file\.json cannot be written \(No space left"):
        write_json(path, {"a": 2})
    assert read_json(path) == {"a": 1} and [each.name for each in tmp_path.iterdir()] == ["file.json"]


def test_a_place_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="below"):
        write_bytes(tmp_path / "file" / "below", b"")


def test_json_never_holds_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_csv_comes_back(tmp_path):
    rows = [{"a": "1", "b": "x, y"}, {"a": "2", "b": '"quoted"'}]
    write_csv(tmp_path / "file.csv", rows)
    assert read_csv(tmp_path / "file.csv") == rows
    write_csv(tmp_path / "empty.csv", [], ["a", "b"])
    assert (tmp_path / "empty.csv").read_text() == "a,b\n" and read_csv(tmp_path / "empty.csv") == []


@pytest.mark.parametrize(
    ("data", "read"), [(b"{", read_json), (b"\xff\xfe\x00", read_json), (b"\xff\xfe\x00", read_csv)]
)
def test_a_broken_file_is_named(tmp_path, data, read):
    path = tmp_path / "broken"
    path.write_bytes(data)
    with pytest.raises(UserError, match="broken"):
        read(path)
    with pytest.raises(UserError, match="missing"):
        read(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column names"),
        ("a,a\n1,2\n", "column names"),
        ("a,b\n1\n", "1 instead of 2 cells"),
        ("a,b\n1,2,3,4\n", "4 instead of 2 cells"),
        ('a,b\n1,"2\n', "CSV"),
    ],
)
def test_a_table_that_lost_cells_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_csv(tmp_path / "t.csv")


def test_empty_lines_and_the_empty_cells_of_spreadsheets_are_no_fault(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa,b,,\r\n1,2,,\r\n\r\n3,,,\r\n")
    assert read_csv(tmp_path / "t.csv") == [{"a": "1", "b": "2"}, {"a": "3", "b": ""}]


def test_json_that_could_mean_two_things_or_fill_the_memory_is_refused(tmp_path, monkeypatch):
    (tmp_path / "t.json").write_text('{"x": 1, "y": 2, "x": 3}')
    with pytest.raises(UserError, match="'x' is given twice"):
        read_json(tmp_path / "t.json")
    (tmp_path / "t.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="nested too deeply"):
        read_json(tmp_path / "t.json")
    with pytest.raises(UserError, match="more values"):
        read_json(tmp_path / "t.json", most_values=10)
    with pytest.raises(UserError, match="at most 0 MB"):
        read_bytes(tmp_path / "t.json", largest=10)


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path, monkeypatch):
    kept = [".film.tmp", "film.tmp", ".hidden", "model.pth"]
    for name in kept:
        (tmp_path / name).write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(type(tmp_path), "unlink", lambda *_, **__: None)  # as after SIGKILL
        with pytest.raises(KeyboardInterrupt):
            write_bytes(tmp_path / "model.pth", b"new")
    assert len(list(tmp_path.iterdir())) == len(kept) + 1
    remove_leftovers(tmp_path, idle_seconds=60)
    assert len(list(tmp_path.iterdir())) == len(kept) + 1, "another process may still write it"
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "missing")
