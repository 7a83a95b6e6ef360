"""The benchmark of bad input: its seeds are sound, its payloads would run where someone is careless, and what it does
to files first ends well.
"""

import io
import json
import pickle
import sys
import zipfile
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import mutations
from benchmarks.mutating import PAYLOAD_MARK, PAYLOADS, PLANTED, mutate, pack_anew, where_planted, with_payload
from benchmarks.mutations import PAYLOAD_RAN, judge
from benchmarks.seed_files import make_seeds
from config import UserError


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return make_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(autouse=True)
def unmarked(monkeypatch):
    monkeypatch.setattr(sys, PAYLOAD_MARK, False, raising=False)


def test_whole_files_are_read_as_what_they_are(seeds, tmp_path):
    assert {seed.name.rsplit(".")[-1] for seed in seeds.values()} >= {"png", "jpg", "bmp", "tif", "json", "csv", "pth"}
    for name, seed in seeds.items():
        path = tmp_path / seed.name
        path.write_bytes(seed.data)
        assert judge(seed, path, "vary_bytes") == ("right", ""), name


def test_a_mutation_can_be_made_again(seeds):
    for name, seed in seeds.items():
        assert all(mutate(seed, number) == mutate(seed, number) for number in range(12)), name


def test_the_first_damaged_files_end_right_or_in_one_sentence(seeds, tmp_path):
    outcomes = set()
    for name, seed in seeds.items():
        path = tmp_path / seed.name
        for number in range(4):
            data, how = mutate(seed, number)
            path.write_bytes(data)
            outcome, said = judge(seed, path, how)
            assert outcome in ("right", "refused"), (name, number, how, said)
            outcomes.add(outcome)
    assert outcomes == {"right", "refused"} and not getattr(sys, PAYLOAD_MARK)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_would_run_where_someone_is_careless(payload):
    assert pickle.loads(b"\x80\x02" + payload + b"K\x07.") == 7 and getattr(sys, PAYLOAD_MARK)


@pytest.mark.parametrize("draw", range(8))
def test_a_payload_planted_in_a_whole_checkpoint_is_refused_and_not_run(seeds, tmp_path, draw):
    seed, generator = seeds["w.pth"], np.random.default_rng(draw)
    data = pack_anew(seed.data, lambda name, body: with_payload(body, generator) if name.endswith("data.pkl") else body)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    path = tmp_path / seed.name
    path.write_bytes(data)
    outcome, said = judge(seed, path, "vary_archive")
    assert outcome == "refused" and "something else than numbers" in said and not getattr(sys, PAYLOAD_MARK)


def test_where_code_is_planted_is_known_of_every_file(seeds):
    planted = Counter(where_planted(mutate(seeds["w.pth"], number)[0]) for number in range(60))
    assert planted[PLANTED[0]] > planted[PLANTED[1]] > 0 and planted[None] > 30
    for number in range(60):
        data, _ = mutate(seeds["w.pth"], number)
        if where_planted(data) == PLANTED[0]:
            assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    assert where_planted(seeds["w.pth"].data) is None


def test_a_sentence_must_name_the_file_and_not_its_folder_alone(seeds, tmp_path, monkeypatch):
    said = []

    def refuse(path, film_id):
        raise UserError(said[-1])

    monkeypatch.setattr(mutations, "read_stage", refuse)
    path = tmp_path / "stage.json"
    for sentence, outcome in ((f"{path} is damaged.", "refused"), (f"{tmp_path} holds a damaged file.", "unclear")):
        said.append(sentence)
        assert judge(seeds["stage.json"], path, "vary_json") == (outcome, sentence)


def test_a_payload_that_ran_is_held_against_its_own_file_alone(monkeypatch, capsys, tmp_path):
    def judge_running(seed, path, how):
        if path.name == "hostile":
            setattr(sys, PAYLOAD_MARK, True)
        return "right", ""

    monkeypatch.setattr(mutations, "make_seeds", lambda folder: {"seed": None})
    monkeypatch.setattr(mutations, "judge", judge_running)
    requests = [json.dumps({"seed": "seed", "path": name, "how": ""}) for name in ("sound", "hostile", "sound")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(requests) + "\n"))
    mutations.serve(tmp_path)
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    assert [answer["outcome"] for answer in answers] == ["right", "wrong", "right"]
    assert answers[1]["said"] == PAYLOAD_RAN


def test_what_ran_and_what_was_planted_is_in_the_last_lines(monkeypatch, capsys):
    def ask(seed, path, how):
        ran = where_planted(path.read_bytes()) is not None
        return {"outcome": "wrong" if ran else "right", "said": PAYLOAD_RAN if ran else "", "s": 0.1, "mb": 1.0}

    monkeypatch.setattr(mutations, "Worker", lambda folder: SimpleNamespace(ask=ask))
    assert mutations.main(["--only", "w.pth", "--count", "40"]) == 1
    *_, files, planted = capsys.readouterr().out.splitlines()
    failed = int(files.removeprefix("40 files, ").split()[0])
    assert failed > 0 and planted.endswith(f"and ran from {failed} of them.")


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--count", "0"], "no file would be read"), (["--only", "film.gif"], "There is no seed film.gif")],
)
def test_nothing_to_read_is_no_success(flags, said, capsys):
    assert mutations.main(flags) == 2 and said in capsys.readouterr().err
