"""The benchmark of bad input: its seeds are sound, its payloads would run where someone is careless, and what it does
to files first ends well.
"""

import io
import pickle
import sys
import zipfile

import numpy as np
import pytest

from benchmarks.mutating import PAYLOAD_MARK, PAYLOADS, mutate, pack_anew, with_payload
from benchmarks.mutations import judge
from benchmarks.seed_files import make_seeds


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
