"""What leaves for the Hub: every byte of a push is looked at for names, places and the token."""

import base64
import getpass
import json
import logging
import re
import socket
from pathlib import Path

import pytest
from conftest import write_blob_dataset
from fake_hub import REPO, WRITER

import evaluate
import hub
import train

ROOT = Path(__file__).parents[1]
SHORT = 5  # characters; a shorter name is part of other words, and of what looks like noise
PACKED = rb'"(?:content|sample)": ?"([A-Za-z0-9+/=]+)"'


def make_clinic(folder: Path) -> Path:
    """A data set in which folder, films and machines bear names that must stay where they are."""
    clinic = write_blob_dataset(folder / "Praxis_Muster", {"train": 8, "valid": 4, "test": 4})
    for path in sorted(clinic.rglob("*.*")):
        if path.is_file() and path.stem.startswith(("train", "valid", "test")):
            path.rename(path.with_name(f"muster_hans_{path.name}"))
    machines = clinic / "cephalogram_machine_mappings.csv"
    lines = machines.read_text().splitlines()
    renamed = ["muster_hans_" + line.replace("machine ", "Muster's ") for line in lines[1:]]
    machines.write_text("\n".join([lines[0], *renamed]) + "\n")
    for label in clinic.rglob("*.json"):
        label.write_text(re.sub('"(train|valid|test)', r'"muster_hans_\1', label.read_text()))
    return clinic


def test_nothing_private_leaves(fake, tmp_path, monkeypatch, caplog, capfd):
    """A run on a clinic's own films, pushed at its end, then judged and pushed again: every byte is looked at."""
    caplog.set_level(logging.DEBUG)
    clinic = make_clinic(tmp_path)
    places = ["--dataset", clinic, "--output", tmp_path / "runs", "--cache", tmp_path / "cache"]
    places += ["--logs", tmp_path / "logs"]
    flags = ["--image-size", "48x32", "--widths", "16,24", "--blocks", "1", "--no-head-frame", "--batch-size", "4"]
    flags += ["--precision", "float32", "--device", "cpu", "--epochs", "1", "--push-to-hub", REPO]
    assert train.main([*map(str, places), *flags]) == 0
    best, figures = tmp_path / "runs" / "landmarks" / "best_model.pth", tmp_path / "figures.json"
    assert evaluate.main([*map(str, places[:2]), "--weights", str(best), "--json", str(figures), "--worst", "0",
                          *map(str, places[4:6])]) == 0  # fmt: skip
    assert "muster" in figures.read_text().lower(), "there was something to keep back"
    assert hub.main(["push", REPO, "--weights", str(best), "--metrics", str(figures), "--force"]) == 0
    assert len(fake.repositories[REPO].commits) == 3 and fake.count("POST", "/commit/") == 2

    secrets = ["muster", str(tmp_path), str(ROOT), str(Path.home()), socket.gethostname(), getpass.getuser()]
    secrets += ["best_model", "machine 0"]
    for request in fake.requests:
        headers = [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "authorization"]
        sent = "\n".join([request.path, *headers, *texts_of(request.body)])
        assert not leaks(secrets, sent), request.path
        assert WRITER not in sent
    storage = [each for each in fake.requests if each.path.startswith("/large/")]
    assert storage and not [each for each in storage if "authorization" in {name.lower() for name in each.headers}]
    shown = capfd.readouterr()
    assert WRITER not in shown.out + shown.err + caplog.text
    files = fake.repositories[REPO].commits[-1][1]
    assert json.loads(files["metrics.json"])["landmarks"]["judged"]["dataset"] == "private"


def leaks(secrets: list[str], text: str) -> list[str]:
    """The secrets that a text holds, whatever their case; a short one, such as a host named "vm", only as a word."""
    found = []
    for secret in secrets:
        pattern = re.escape(secret)
        if len(secret) < SHORT:
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        found += [secret] if re.search(pattern, text, re.IGNORECASE) else []
    return found


def texts_of(body: bytes) -> list[str]:
    """What can be read in what was sent, also in base64; among numbers, only runs that are too long for chance."""
    packed = [base64.b64decode(text) for text in re.findall(PACKED, body)]
    clear = re.sub(PACKED, b"", body)
    runs = [clear] if clear.isascii() else re.findall(rb"[\x20-\x7e\n]{16,}", clear)
    return [run.decode() for run in runs] + [text for each in packed for text in texts_of(each)]


LEAKS = ["/home/vm/run", "sent by vm", "host=VM; port=1", '{"film": "Muster_Hans.png"}', "x-machine: vm_2", "root@vm"]


@pytest.mark.parametrize("text", LEAKS)
def test_a_leak_would_be_seen(text):
    secrets = ["vm", "root", "muster"]
    packed = base64.b64encode(text.encode()).decode()
    bodies = [text.encode(), b"\x00\xff\x03{'metadata': '" + text.encode() + b"'}\x00\x80"]
    bodies += [json.dumps({"value": {"content": packed}}).encode(), json.dumps({"sample": packed}).encode()]
    for body in bodies:
        assert leaks(secrets, "\n".join(texts_of(body))), body


def test_noise_is_no_leak():
    noise = [b"\x80\x01/vm+\x02\xff", b"square rooted kvm", b'{"sample": "aaa/vm+aaaaa"}']
    assert not [body for body in noise if leaks(["vm", "root"], "\n".join(texts_of(body)))]


def test_a_token_that_no_header_can_hold_is_not_shown(fake, monkeypatch, capsys):
    for token in ("hf_secret\nsecret", "hf_secret\x7f\x00secret", "hf_sécret"):
        monkeypatch.setenv("HF_TOKEN", token.replace("\x00", "\x01"))
        assert hub.main(["pull", REPO]) == 2
        error = capsys.readouterr().err
        assert "secret" not in error and "sécret" not in error and len(error.splitlines()) == 1
