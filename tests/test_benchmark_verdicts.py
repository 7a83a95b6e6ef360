"""No benchmark says that all is well where nothing was tested: kills that missed, runs that did not go on, no rows."""

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from benchmarks import demo_load, faults, prediction, shards
from benchmarks.measuring import end_of, kill_trees, print_verdicts, process_tree, side_by_side, start, watch
from benchmarks.outcomes import difference
from benchmarks.small_run import Run
from config import UserError

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process started is read from /proc")
PICTURE = cv2.imencode(".png", np.zeros((40, 40), np.uint8))[1].tobytes()
SLEEP = "import time; time.sleep(60)"
# As torchrun does it: the worker leads a session of its own, and speaks through the launcher's pipe.
LAUNCHER = (
    f"import subprocess, sys; worker = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True); "
    "print('started', flush=True); worker.wait()"
)


def launch():
    """A launcher with its worker."""
    process = start("-c", LAUNCHER, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "started\n"
    return process


@linux
def test_a_worker_that_leads_its_own_session_is_killed_with_its_launcher():
    process = launch()
    assert len(process_tree(process.pid)) == 2 and kill_trees(process) == [2]
    process.communicate(timeout=20)  # returns when no one holds the pipe any more
    assert process.returncode == -signal.SIGKILL and kill_trees(process) == [0]


def test_a_command_that_does_not_end_is_ended_and_named():
    started = time.monotonic()
    with pytest.raises(UserError, match=r"time.sleep\(60\).* did not end within 0 s"):
        end_of(start("-c", SLEEP, stdout=subprocess.PIPE), 0.2)
    assert time.monotonic() - started < 30


@linux
def test_memory_is_looked_at_from_when_it_is_asked_for():
    assert watch("-c", "import time; time.sleep(0.3)", seconds=0.05, since=lambda: False)[1] == []


def test_what_decides_nothing_is_no_success(capsys):
    assert not print_verdicts("nothing", [])
    assert not print_verdicts("nothing that decides", [("seconds", 3, None)])
    assert not print_verdicts("one fault", [("first", "", True), ("second", 7, np.False_), ("seconds", 3, None)])
    assert capsys.readouterr().out.endswith("| first |  | yes |\n| second | 7 | NO |\n| seconds | 3 |  |\n")
    assert print_verdicts("all well", [("first", "", np.True_), ("seconds", 3, None)])


def test_a_card_has_done_its_warm_up_before_anything_is_timed(monkeypatch):
    done = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append("waited"))
    side_by_side({"ours": lambda: done.append("ours"), "log": lambda: done.append("log")}, 1, torch.device("cuda"))
    assert done == ["ours", "waited", "log", "waited"] * 2


def test_a_difference_is_found_wherever_it_is():
    first = {"model": {"w": torch.tensor([1.0, 2.0])}, "rows": [{"loss": "1", "seconds": "3"}], "log_path": "a"}
    second = {"model": {"w": torch.tensor([1.0, 2.0])}, "rows": [{"loss": "1", "seconds": "4"}], "log_path": "b"}
    assert difference((first, [1]), (second, [1])) == ""
    second["model"]["w"][1] += 1e-6
    assert difference((first, [1]), (second, [1])) == "it[0]['model']['w'] differs"
    assert difference([1], [1, 2]) == "it has 1 and 2 entries"
    assert difference({"a": 1}, {"b": 1}) == "it has ['a', 'b'] only once"
    assert difference(1, 1.0) == "it is int and float"


# --- shards -----------------------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize(("code", "killed"), [(LAUNCHER, True), (SLEEP, False), ("print('ended')", False)])
def test_only_a_launcher_killed_with_its_worker_counts(monkeypatch, code, killed):
    process = launch() if code == LAUNCHER else start("-c", code, stdout=subprocess.PIPE)
    if code not in (LAUNCHER, SLEEP):
        process.wait()
    monkeypatch.setattr(shards, "start_nodes", lambda nodes: [process])
    assert shards.kill_nodes([SimpleNamespace(epochs=lambda: [shards.KILLED_AFTER])]) is killed


def test_a_shard_that_ended_before_its_kill_is_no_killed_shard(tmp_path):
    with pytest.raises(UserError, match="ended before it could be killed.* It said: all read"):
        shards.kill_shard(["-c", "print('all read')"], tmp_path)


# --- prediction -------------------------------------------------------------------------------------------------------


def test_a_prediction_that_ended_before_its_kill_asks_for_more_films(tmp_path):
    with pytest.raises(UserError, match="raise --films"):
        prediction.kill_twice(["-c", "pass"], tmp_path, 30)


@pytest.mark.parametrize(
    ("memory", "well"), [([500.0] * 30, True), ([500.0] * 15 + [560.0] * 15, False), ([0.0] * 30, False)]
)
def test_memory_must_be_known_and_must_not_grow(memory, well):
    assert prediction.judge_memory(memory)[2] == well


def test_memory_that_was_not_looked_at_asks_for_more_films():
    with pytest.raises(UserError, match="raise --films"):
        prediction.judge_memory([])


@pytest.mark.parametrize(
    ("kills", "said", "well"),
    [
        ([10, 20], "Going on: 20 of 30 films were read before.", [True, True]),
        ([10, 20], "30 of 30 films read", [True, False]),
        ([10, 20], "Going on: 19 of 30 films were read before.", [True, False]),
        ([20, 20], "Going on: 20 of 30 films were read before.", [False, True]),
    ],
)
def test_a_resumed_prediction_must_have_gone_on_where_it_was_killed(kills, said, well):
    assert [is_well for *_, is_well in prediction.judge_resuming(kills, said, 30)] == well


# --- faults -----------------------------------------------------------------------------------------------------------


def test_too_few_kills_are_refused(capsys):
    with pytest.raises(SystemExit) as error:
        faults.main(["--kills", "3"])
    assert error.value.code == 2 and "at least 4" in capsys.readouterr().err


def test_kills_that_never_come_in_time_end(tmp_path):
    with pytest.raises(UserError, match="Of 20 kills 0 came in time"):
        faults.judge_kind(tmp_path / "killed", tmp_path, (), lambda run: False, 2)


@pytest.mark.parametrize(("halves", "well"), [(1, True), (0, False)])
def test_a_kill_while_writing_must_have_left_half_a_file(monkeypatch, tmp_path, halves, well):
    monkeypatch.setattr(faults, "judge_kind", lambda *given: (given[-1], halves, given[-1], given[-1], 0))
    options = SimpleNamespace(seed=0, kills=8)
    assert faults.judge_kills(tmp_path, tmp_path, SimpleNamespace(outcome=tuple), 1.0, options) is well


def test_a_cache_without_entries_is_not_mended(monkeypatch, tmp_path):
    monkeypatch.setattr(Run, "finish", lambda self: (0, ""))
    monkeypatch.setattr(Run, "outcome", lambda self: ())
    whole = Run(tmp_path / "whole", tmp_path)
    (whole.folder / "cache").mkdir(parents=True)
    assert faults.judge_half_cache(tmp_path, tmp_path, whole) == (False, "0 entries, NOT all of them made again")


# --- the page under load ----------------------------------------------------------------------------------------------


def user_who_meets(monkeypatch, *outcomes):
    """A user after reading a film so often, once all is over."""
    coming = iter(outcomes)

    def read_film(self):
        outcome = next(coming, "right")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(demo_load, "find_editor", lambda port: 1)
    monkeypatch.setattr(demo_load.User, "read_film", read_film)
    user = demo_load.User(1, PICTURE, "mine.png", {}, 0.25)
    user.start()
    user.join()
    return user


def test_a_user_who_meets_any_error_counts_it_and_goes_on(monkeypatch):
    user = user_who_meets(monkeypatch, IndexError(), AttributeError())
    assert user.counts["failed: IndexError"] == user.counts["failed: AttributeError"] == 1
    assert len(user.seconds) == user.counts["right"] > 0
    assert [is_well for *_, is_well in demo_load.judge_users([user])] == [True, None, False, False, None]


def test_users_who_are_only_turned_away_are_no_success(monkeypatch):
    user = user_who_meets(monkeypatch, "busy")
    rows = demo_load.judge_users([user])
    assert user.seconds == [] and [is_well for *_, is_well in rows] == [False, None]


def test_a_page_that_does_not_answer_a_stranger_has_refused_nothing(monkeypatch):
    def refuse(port):
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(demo_load, "find_editor", refuse)
    assert demo_load.attack_page(1, b"") == {"anything: refused": False}
