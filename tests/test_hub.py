"""The Hub: the real client against a local server that speaks its protocol; what goes, what stays, who may."""

import json
from hashlib import sha256

import pytest
from fake_hub import OWNER, READER, REPO, WRITER, FakeRepository
from huggingface_hub import HfApi, ModelCard
from small_weights import write_tiny

import hub
import train
from checkpoint import load_weights
from config import UserError
from hub import pull, pull_all, push

# --- there and back ---------------------------------------------------------------------------------------------------


def test_weights_come_back_as_they_went(fake, tmp_path):
    weights = [write_tiny(tmp_path / f"{part}.safetensors", part) for part in ("landmarks", "cvm")]
    said = []
    pushed = push(REPO, weights, say=said.append)
    repository = fake.repositories[REPO]
    assert repository.private and len(repository.commits) == 2  # the Hub's own, and one
    sha, files = repository.commits[-1]
    assert pushed.commit == sha and pushed.sent == ("landmarks", "cvm") and sha in said[-1]
    names = {"landmarks.safetensors", "cvm.safetensors", "config.json", "metrics.json", "README.md"}
    assert set(files) == names | {".gitattributes"}
    assert {hub.file_name(part) for part in pushed.sent} < names
    assert len(fake.large_files) >= 2, "weights were not sent as large files"
    card = ModelCard(files["README.md"].decode(), ignore_metadata_errors=False)
    assert {each.metric_type for each in card.data.eval_results} >= {"mre_mm", "sdr_2.0mm", "qwk"}

    pulled = pull_all(REPO)
    assert list(pulled) == ["landmarks.safetensors", "cvm.safetensors"]
    for path in weights:
        assert pulled[path.name].path.read_bytes() == path.read_bytes() and pulled[path.name].commit == sha
    assert len({each.path.parent for each in pulled.values()}) == 1, "files of one commit lie beside each other"
    assert load_weights(pulled["cvm.safetensors"].path)[0].model == "cvm_mil"


def test_a_second_pull_is_one_short_question(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "landmarks.safetensors")], say=str)
    first = pull(REPO)
    fake.requests.clear()
    assert pull(REPO) == first
    assert [(each.method, each.path) for each in fake.requests if not each.path.startswith("/large")] == [
        ("HEAD", f"/{REPO}/resolve/main/landmarks.safetensors")
    ]
    assert fake.count("GET") == 0
    fake.requests.clear()
    assert pull(REPO, first.commit) == first and not fake.requests, "a commit's hash needs no question"


def test_a_pinned_revision_stays_when_the_branch_moves_on(fake, tmp_path):
    old = push(REPO, [write_tiny(tmp_path / "old.safetensors", figure=1.0)], say=str)
    new = push(REPO, [write_tiny(tmp_path / "new.safetensors", figure=0.9, seed=1)], say=str)
    assert pull(REPO, old.commit).path.read_bytes() == (tmp_path / "old.safetensors").read_bytes()
    assert pull(REPO).commit == new.commit != old.commit
    assert pull(REPO, new.commit).path.read_bytes() == (tmp_path / "new.safetensors").read_bytes()
    for revision in ("no-such-branch", "f" * 40):
        with pytest.raises(UserError, match=f"no revision {revision}"):
            pull(REPO, revision)


def test_a_folder_on_this_machine_comes_first(fake, tmp_path):
    path = write_tiny(tmp_path / "mine" / "landmarks.safetensors")
    assert pull(str(tmp_path / "mine")) == hub.Pulled(path, None) and not fake.requests


def test_the_command_says_what_it_did(fake, tmp_path, capsys):
    path = write_tiny(tmp_path / "landmarks.safetensors")
    assert hub.main(["push", REPO, "--weights", str(path), "--public", "--licence", "cc-by-4.0"]) == 0
    commit = fake.repositories[REPO].commits[-1][0]
    assert commit in capsys.readouterr().out and not fake.repositories[REPO].private
    assert b"cc-by-4.0" in fake.repositories[REPO].commits[-1][1]["README.md"]
    assert hub.main(["pull", REPO, "--revision", commit]) == 0
    shown = capsys.readouterr().out
    assert commit in shown and "landmarks.safetensors" in shown
    assert hub.main(["pull", f"{OWNER}/nothing"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hub.py: ") and len(error.splitlines()) == 1
    assert hub.main(["push", REPO]) == 2 and "no weights" in capsys.readouterr().err


# --- only what is better ----------------------------------------------------------------------------------------------


def test_a_worse_file_stays_unless_forced(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors", figure=1.0)], say=str)
    worse = write_tiny(tmp_path / "b.safetensors", figure=1.1, seed=1)
    before = len(fake.repositories[REPO].commits)
    with pytest.raises(UserError, match=r"landmarks: its 1.100 mm are no better than the 1.000 mm there.*--force"):
        push(REPO, [worse], say=str)
    assert len(fake.repositories[REPO].commits) == before
    assert fake.count("PUT") == 1, "what stays is not uploaded either"
    assert push(REPO, [worse], force=True, say=str).sent == ("landmarks",)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == worse.read_bytes()


def test_each_file_is_judged_by_itself(fake, tmp_path):
    first = [write_tiny(tmp_path / "a.safetensors", figure=1.0), write_tiny(tmp_path / "b.safetensors", "cvm", 0.7)]
    push(REPO, first, say=str)
    second = [
        write_tiny(tmp_path / "c.safetensors", figure=1.0, seed=1),
        write_tiny(tmp_path / "d.safetensors", "cvm", 0.8, seed=1),
    ]
    pushed = push(REPO, second, say=str)
    assert pushed.sent == ("cvm",) and "no better" in pushed.kept["landmarks"]
    files = fake.repositories[REPO].commits[-1][1]
    assert files["landmarks.safetensors"] == first[0].read_bytes()
    assert files["cvm.safetensors"] == second[1].read_bytes()
    assert {part: entry["sha256"] for part, entry in json.loads(files["metrics.json"]).items()} == {
        "landmarks": sha256(first[0].read_bytes()).hexdigest(), "cvm": sha256(second[1].read_bytes()).hexdigest(),
    }  # fmt: skip
    assert b"1.000 mm" in files["README.md"] and b"0.800 quadratic weighted kappa" in files["README.md"]


def test_the_same_file_again_changes_nothing(fake, tmp_path):
    path = write_tiny(tmp_path / "a.safetensors")
    first = push(REPO, [path], say=str)
    said = []
    again = push(REPO, [path], force=True, say=said.append)
    assert again.commit == first.commit and again.sent == () and "already" in said[0]


def test_weights_without_figures_do_not_replace_others(fake, tmp_path):
    unknown = write_tiny(tmp_path / "a.safetensors", valid=None)
    with pytest.raises(UserError, match="evaluate.py --json"):
        push(REPO, [unknown], say=str)
    assert REPO not in fake.repositories, "nothing is made for a push that is refused"
    fake.repositories[REPO] = FakeRepository(private=True)
    fake.repositories[REPO].commit({"landmarks.safetensors": b"by hand"})
    with pytest.raises(UserError, match="no figures to compare with"):
        push(REPO, [write_tiny(tmp_path / "b.safetensors")], say=str)


# --- several at once --------------------------------------------------------------------------------------------------


def test_a_push_that_is_overtaken_judges_again(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors", figure=1.0)], say=str)
    other = write_tiny(tmp_path / "b.safetensors", figure=0.8, seed=1)
    mine = write_tiny(tmp_path / "c.safetensors", figure=0.9, seed=2)
    fake.before_commit = lambda: push(REPO, [other], say=str)
    with pytest.raises(UserError, match="no better than the 0.800 mm"):
        push(REPO, [mine], say=str)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == other.read_bytes()
    best = write_tiny(tmp_path / "d.safetensors", figure=0.7, seed=3)
    stages = write_tiny(tmp_path / "e.safetensors", "cvm", 0.5)
    fake.before_commit = lambda: push(REPO, [stages], say=str)
    push(REPO, [best], say=str)
    files = fake.repositories[REPO].commits[-1][1]
    assert files["landmarks.safetensors"] == best.read_bytes() and files["cvm.safetensors"] == stages.read_bytes()
    assert set(json.loads(files["metrics.json"])) == {"landmarks", "cvm"}, "the other push's figures were lost"


def test_two_first_pushes_do_not_bury_each_other(fake, tmp_path, monkeypatch):
    good = write_tiny(tmp_path / "a.safetensors", figure=0.8)
    bad = write_tiny(tmp_path / "b.safetensors", figure=0.9, seed=1)
    create = HfApi.create_repo

    def create_late(api, *arguments, **settings):
        monkeypatch.setattr(HfApi, "create_repo", create)
        push(REPO, [good], say=str)
        return create(api, *arguments, **settings)

    monkeypatch.setattr(HfApi, "create_repo", create_late)
    with pytest.raises(UserError, match="no better"):
        push(REPO, [bad], say=str)
    assert fake.repositories[REPO].commits[-1][1]["landmarks.safetensors"] == good.read_bytes()


def test_a_push_gives_up_when_it_is_always_overtaken(fake, tmp_path):
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)

    def touch():
        fake.repositories[REPO].commit({"note.txt": str(len(fake.requests)).encode()})
        fake.before_commit = touch

    fake.before_commit = touch
    with pytest.raises(UserError, match="try again in a minute"):
        push(REPO, [write_tiny(tmp_path / "b.safetensors", figure=0.5)], say=str)


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_logins_that_do_not_suffice(fake, tmp_path, monkeypatch):
    path = write_tiny(tmp_path / "a.safetensors")
    push(REPO, [path], say=str)
    better = write_tiny(tmp_path / "b.safetensors", figure=0.5)
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrongwrong")
    for action in (lambda: push(REPO, [better], say=str), lambda: pull(REPO), lambda: hub.check_target(REPO)):
        with pytest.raises(UserError, match="does not accept your token"):
            action()
    monkeypatch.setenv("HF_TOKEN", READER)
    assert pull(REPO).commit
    with pytest.raises(UserError, match=f"may not do this to {REPO}"):
        push(REPO, [better], say=str)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with pytest.raises(UserError, match="may not do this to stranger/model"):
        push("stranger/model", [better], say=str)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="hf auth login"):
        push(REPO, [better], say=str)
    with pytest.raises(UserError, match=f"shows you no {REPO}"):
        pull(REPO)
    assert len(fake.repositories[REPO].commits) == 2


def test_what_is_not_there(fake, tmp_path):
    with pytest.raises(UserError, match=f"shows you no {OWNER}/nothing"):
        pull(f"{OWNER}/nothing")
    push(REPO, [write_tiny(tmp_path / "a.safetensors")], say=str)
    with pytest.raises(UserError, match="no cvm.safetensors"):
        pull(REPO, name="cvm.safetensors")
    fake.repositories[f"{OWNER}/foreign"] = FakeRepository(private=False)
    fake.repositories[f"{OWNER}/foreign"].commit({"model.bin": b"other"})
    with pytest.raises(UserError, match="no weights of this project"):
        pull_all(f"{OWNER}/foreign")
    for name in ("model", "a/b/c", "", "../etc", "owner/", "/model", "owner/mo del", "x" * 200):
        with pytest.raises(UserError, match="NAME/MODEL"):
            pull(name)
        with pytest.raises(UserError, match="NAME/MODEL"):
            push(name, [tmp_path / "a.safetensors"], say=str)


# --- train.py --push-to-hub -------------------------------------------------------------------------------------------


def test_training_refuses_a_push_that_cannot_be_before_it_begins(fake, blobs, tmp_path, monkeypatch, capsys):
    places = ["--dataset", str(blobs), "--output", str(tmp_path / "runs")]
    assert train.main([*places, "--push-to-hub", "nonsense"]) == 2
    assert "NAME/MODEL" in capsys.readouterr().err
    assert train.main([*places, "--push-to-hub", REPO, "--no-valid"]) == 2
    assert "--no-valid" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_wrongwrongwrongwrong")
    assert train.main([*places, "--push-to-hub", REPO]) == 2
    assert "token" in capsys.readouterr().err
    fake.stop()
    assert train.main([*places, "--push-to-hub", REPO]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
