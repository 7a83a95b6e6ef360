"""What may leave the machine, which of two files is better, and what the model card says of them."""

import json
from dataclasses import replace

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open
from safetensors.torch import save_file

from card import files_to_commit, make_card
from checkpoint import load_weights, save_checkpoint, save_weights
from config import SYMBOLS, UserError, make_config
from files import file_hash
from model import build_model
from privacy import numbers_of, private_texts, public_name, shareable_facts
from sharing import (
    ALREADY_THERE,
    Repository,
    Share,
    check_company,
    choose,
    describe_films,
    headline,
    make_record,
    prepare,
    read_description,
    training_figures,
    why_no_better,
)

TINY = {"image_size": (48, 32), "widths": (16, 24), "blocks": 1, "head_frame": False}
ROWS = {"A": {"mre_mm": 1.0, "mre_px": 9.9, "sd_mm": 0.4, "sdr": {"2.0": 90.0}, "n": 7, "taught_by": "reader"}}


def figures(mre_mm: float | None = 1.25, qwk: float | None = None, **changes) -> dict:
    """What `evaluate.py --json` writes, with what it should not have had."""
    landmarks = {
        "mre_mm": mre_mm, "mre_px": 12.5, "sdr": {"2.0": 85.0, "4.0": 97.0}, "truth": "mean", "per_landmark": ROWS,
        "coverage95": {"pooled": 0.95, "per_landmark": {"A": 0.95}},
        "per_machine": {"Dr Muster's Siemens": {"films": 7, "mre_mm": 1.0}},
    }  # fmt: skip
    cvm = {"qwk": qwk, "accuracy": 0.6, "confusion": [[1] * 6] * 6, "majority": {"accuracy": 0.4}}
    names = {"weights": "/home/muster/best_model.pth", "model": "landmarks", "dataset": "Aariz", "split": "test"}
    parts = {"landmarks": landmarks, "cvm": None if qwk is None else cvm}
    return names | {"films": 150, "films_fingerprint": "0123456789abcdef"} | parts | changes


def validation() -> dict:
    """What a run keeps of the figures of its best epoch."""
    return {name: part for name, part in figures().items() if name in ("films", "landmarks", "cvm")}


def record(part: str = "landmarks", **changes) -> dict:
    """A record of one part."""
    config = make_config("cvm_mil" if part == "cvm" else "landmarks")
    content = figures(**changes)
    if part == "vertebrae":
        necks = {"relative": content["landmarks"]["mre_mm"], "mean_mm": 0.8, "mean_px": 4.0, "within_mm": {"2.5": 95.0}}
        content |= {"landmarks": None, "vertebrae": necks | {"coverage95": 0.96, "slipped": 0}}
    return make_record(config, {"dataset": "Aariz", "train_films": 700}, content, "a" * 64)


def share(part: str = "landmarks", needs: dict | None = None, sha256: str = "a" * 64, **changes) -> Share:
    """A file ready to leave."""
    config = make_config("cvm_mil" if part == "cvm" else "landmarks").to_json()
    return Share(part, b"weights", config, record(part, **changes) | {"needs": needs, "sha256": sha256})


# --- privacy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "name"),
    [("Aariz", "Aariz"), ("aariz_ROI", "Aariz"), ("ISBI2015", "ISBI2015"), ("Muster_87", "private"), (None, "private")],
)
def test_only_public_data_sets_are_called_by_name(folder, name):
    assert public_name(folder) == name


def test_facts_leave_without_what_a_clinic_wrote():
    facts = {
        "films": "0123456789abcdef", "held_out": "fedcba9876543210", "held_out_split": "fold 1 of 3", "opinions": None,
        "train_films": 7, "dataset": "Patients of Dr Muster", "valid": validation(),
        "labelled": ["muster_hans_1"],
        "calibration": {"offset_net": 0.5, "factors": {symbol: 1.0 for symbol in SYMBOLS}, "films": 7},
    }  # fmt: skip
    shared = shareable_facts(facts)
    assert shared["dataset"] == "private" and "Muster" not in json.dumps(shared)
    assert not list(private_texts(shared))
    assert shared["calibration"] == facts["calibration"] and shared["valid"]["landmarks"]["mre_mm"] == 1.25


@pytest.mark.parametrize("text", ["/home/muster", "Muster", "C:\\muster", "muster_0001.png", "", "hf_abcdefabcdef"])
def test_any_other_text_is_found(text):
    assert list(private_texts({"note": [{"deep": text}]})) == [text]
    assert list(private_texts({"Hans Muster, 12": 1})) == ["Hans Muster, 12"]
    assert numbers_of({"note": text, "number": 2}) == {"note": None, "number": 2}


def test_a_cross_validation_is_a_judgement_too():
    crossed = {"films": 434, "mean": {"qwk": 0.75, "accuracy": 0.6}, "majority": {"accuracy": 0.44}, "together": {}}
    facts = {"dataset": "Aariz", "films": "a" * 16, "cross_validated": crossed, "valid": None}
    shown = make_record(make_config("cvm_mil"), facts, training_figures(facts), "b" * 64)
    assert str(headline("cvm", shown)) == "0.750 quadratic weighted kappa"
    assert describe_films(shown) == "434 films of Aariz cross-validation"
    assert training_figures({"dataset": "Aariz", "valid": None}) is None


def test_weights_to_share_never_hold_it(tmp_path):
    config = make_config("landmarks", **TINY)
    facts = {"dataset": "Muster_1987", "valid": validation()}
    save_weights(tmp_path / "a.safetensors", build_model(config), config, facts)
    assert b"Muster" not in (tmp_path / "a.safetensors").read_bytes()
    assert load_weights(tmp_path / "a.safetensors")[2]["dataset"] == "private"


# --- which is better --------------------------------------------------------------------------------------------------


def test_each_part_is_judged_by_its_own_figure():
    assert str(headline("landmarks", record())) == "1.250 mm"
    assert str(headline("landmarks", record(mre_mm=None))) == "12.500 px"
    assert str(headline("vertebrae", record("vertebrae", mre_mm=0.1))) == "0.100 of the distance from C3 to C4"
    assert str(headline("cvm", record("cvm", qwk=0.8))) == "0.800 quadratic weighted kappa"
    assert headline("cvm", record()) is None and headline("vertebrae", record()) is None


@pytest.mark.parametrize(
    ("part", "name", "worse", "better"),
    [("landmarks", "mre_mm", 1.3, 1.2), ("vertebrae", "mre_mm", 1.3, 1.2), ("cvm", "qwk", 0.7, 0.8)],
)
def test_only_a_better_file_replaces_another(part, name, worse, better):
    bad, good = record(part, **{name: worse}), record(part, **{name: better})
    assert why_no_better(part, good, bad) is None
    assert "no better" in why_no_better(part, bad, good) and "no better" in why_no_better(part, good, good)
    assert why_no_better(part, bad, None) is None  # the first
    assert "no figures" in why_no_better(part, good, {})  # foreign weights
    assert "--metrics" in why_no_better(part, make_record(make_config("landmarks"), {}, None, "a"), None)


@pytest.mark.parametrize(
    "other", [{"split": "valid"}, {"dataset": "ISBI2015"}, {"films_fingerprint": "f" * 16}, {"mre_mm": None}]
)
def test_figures_of_other_films_are_not_compared(other):
    assert "which says nothing" in why_no_better("landmarks", record(mre_mm=0.1), record(**{"mre_mm": 1.0} | other))


def test_each_file_goes_or_stays_by_itself():
    records = {part: record(part, mre_mm=1.2, qwk=0.7) for part in ("landmarks", "cvm")}
    there = Repository("c" * 40, {}, records)
    shares = [share("landmarks", sha256="b" * 64), share("vertebrae"), share("cvm", qwk=0.75, sha256="b" * 64)]
    chosen, kept = choose(shares, there, force=False)
    assert [each.part for each in chosen] == ["vertebrae", "cvm"] and list(kept) == ["landmarks"]
    assert len(choose(shares, there, force=True)[0]) == 3
    again = choose([share("landmarks", mre_mm=1.2, qwk=0.7)], there, force=True)
    assert again == ([], {"landmarks": ALREADY_THERE})


def test_new_figures_of_the_same_file_go_only_when_forced():
    """And never none in place of some."""
    there = Repository("c" * 40, {}, {"landmarks": record("landmarks", mre_mm=1.2)})
    judged_again = [share("landmarks", mre_mm=1.1)]
    not_judged = [replace(judged_again[0], record=judged_again[0].record | {"landmarks": None})]
    assert choose(judged_again, there, force=False) == ([], {"landmarks": ALREADY_THERE})
    assert choose(judged_again, there, force=True) == (judged_again, {})
    assert choose(not_judged, there, force=True) == ([], {"landmarks": ALREADY_THERE})


def test_files_that_belong_together_stay_together():
    bound = {"vertebrae": "b" * 64}
    check_company("o/m", [share("cvm", bound, qwk=0.8), share("vertebrae", sha256="b" * 64)], Repository())
    there = Repository("c" * 40, {}, {"vertebrae": record("vertebrae") | {"sha256": "b" * 64}})
    check_company("o/m", [share("cvm", bound, qwk=0.8)], there)
    with pytest.raises(UserError, match="vertebrae.safetensors"):
        check_company("o/m", [share("cvm", bound, qwk=0.8)], Repository())
    there = Repository("c" * 40, {}, {"cvm": record("cvm", qwk=0.8) | {"needs": bound}})
    with pytest.raises(UserError, match="push both"):
        check_company("o/m", [share("vertebrae")], there)


# --- files ------------------------------------------------------------------------------------------------------------


def test_figures_must_be_those_of_the_very_file(tmp_path):
    config, path = make_config("landmarks", **TINY), tmp_path / "a.safetensors"
    save_weights(path, build_model(config), config, {"dataset": "Aariz"})
    assert headline("landmarks", prepare([path], [])[0].record) is None
    beside = tmp_path / "a.json"
    beside.write_text(json.dumps(figures(weights_sha256=file_hash(path))))
    (ready,) = prepare([path], [])
    assert ready.figure == "1.250 mm" and ready.data == path.read_bytes() and ready.part == "landmarks"
    assert "muster" not in json.dumps(ready.record).lower()
    elsewhere = beside.rename(tmp_path / "elsewhere.json")
    assert prepare([path], [elsewhere])[0].figure == "1.250 mm"
    save_weights(path, build_model(config), config, {"dataset": "Aariz", "epoch": 2})
    with pytest.raises(UserError, match="elsewhere.json was not made of these weights"):
        prepare([path], [elsewhere])
    elsewhere.rename(beside)
    with pytest.raises(UserError, match=r"a\.json was not made of .*a\.safetensors"):
        prepare([path], [])
    beside.unlink()
    with pytest.raises(UserError, match="Two of these files hold landmarks"):
        prepare([path, path], [])


def test_a_checkpoint_leaves_as_it_was_judged_without_what_is_private(tmp_path):
    config = make_config("landmarks", **TINY)
    model = build_model(config)
    facts = {"dataset": "Muster_1987", "held_out": "0" * 16, "held_out_split": "fold 0 of 3", "valid": validation()}
    content = {"model": model.state_dict(), "config": config.to_json(), "facts": facts}
    save_checkpoint(tmp_path / "best_model.pth", content)
    (ready,) = prepare([tmp_path / "best_model.pth"], [])
    assert b"uster" not in ready.data
    assert ready.record["judged"]["split"] == "fold 0 of 3" and ready.figure == "1.250 mm"
    (tmp_path / "sent.safetensors").write_bytes(ready.data)
    state = load_weights(tmp_path / "sent.safetensors")[1]
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    save_checkpoint(tmp_path / "best_model.pth", content | {"facts": facts | {"note": "Muster, Hans"}})
    with pytest.raises(UserError, match="Muster, Hans"):
        prepare([tmp_path / "best_model.pth"], [])


def test_what_others_wrote_into_a_file_stays_at_home(tmp_path):
    path, config = tmp_path / "a.safetensors", make_config("landmarks", **TINY)
    save_weights(path, build_model(config), config, {"dataset": "Aariz", "valid": validation()})
    (plain,) = prepare([path], [])
    assert plain.data == path.read_bytes(), "byte for byte what was judged"
    with safe_open(path, framework="pt") as file:
        texts, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, texts | {"author": "Dr Muster"})
    assert b"Muster" in path.read_bytes() and prepare([path], [])[0].data == plain.data


# --- the card ---------------------------------------------------------------------------------------------------------


def test_the_card_has_every_figure_for_people_and_for_the_hub():
    records = {"landmarks": record(), "vertebrae": record("vertebrae", mre_mm=0.1), "cvm": record("cvm", qwk=0.8)}
    configs = {"landmarks": make_config("landmarks").to_json()}
    card = ModelCard(make_card("owner/model", configs, records, "cc-by-4.0"), ignore_metadata_errors=False)
    assert card.data.license == "cc-by-4.0" and card.data.pipeline_tag == "keypoint-detection"
    values = {(each.task_name[:10], each.metric_type): each.metric_value for each in card.data.eval_results}
    assert values["Cephalomet", "mre_mm"] == 1.25 and values["Cephalomet", "sdr_2.0mm"] == 85.0
    assert values["Points of ", "relative"] == 0.1 and values["Points of ", "sdr_2.5mm"] == 95.0
    assert values["Points of ", "coverage95"] == 0.96 and values["Cervical v", "qwk"] == 0.8
    assert {(each.dataset_name, each.dataset_split) for each in card.data.eval_results} == {("Aariz", "test")}
    phrases = ("Not a medical device", "150 films of Aariz test", "700 films of Aariz", "| 1.250 |", "| S6 |", "reader")
    assert not [phrase for phrase in phrases if phrase not in card.text]
    assert "uster" not in card.content and "None" not in card.content


def test_a_card_without_figures_says_so():
    bare = make_record(make_config("cvm_mil"), {}, None, "a" * 64)
    card = ModelCard(make_card("o/m", {}, {"cvm": bare, "landmarks": {}}, "other"), ignore_metadata_errors=False)
    assert "not judged" in card.text and not card.data.eval_results and "None" not in card.content


def test_what_stays_is_described_with_what_comes():
    first = files_to_commit("o/m", [share("landmarks")], Repository(), "mit")
    names = set(first)
    assert names == {"landmarks.safetensors", "config.json", "metrics.json", "README.md"}
    there = Repository("c" * 40, *read_description(names, first["config.json"], first["metrics.json"]))
    second = files_to_commit("o/m", [share("cvm", qwk=0.8)], there, "mit")
    assert "landmarks.safetensors" not in second  # it is there
    assert set(json.loads(second["metrics.json"])) == set(json.loads(second["config.json"])) == {"landmarks", "cvm"}
    assert b"1.250 mm" in second["README.md"] and b"0.800 quadratic weighted kappa" in second["README.md"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"nonsense", b'{"landmarks": 3}', b'{"landmarks": {"landmarks": {"sdr": [1]}}}', b"\xff"]
)
def test_foreign_descriptions_are_passed_over(content):
    configs, records = read_description({"landmarks.safetensors", "other.bin"}, content, content)
    assert list(records) == ["landmarks"] and headline("landmarks", records["landmarks"]) is None
    assert "not judged" in make_card("o/m", configs, records, "mit")


def test_a_record_survives_the_way_through_json():
    content = json.dumps({"landmarks": record()}).encode()
    assert read_description({"landmarks.safetensors"}, b"{}", content)[1] == {"landmarks": record()}
    assert replace(share(), record=record()).figure == "1.250 mm"
