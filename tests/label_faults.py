"""Where label files lie, and what can be wrong with one: each fault befalls train002 in a set of blobs."""

import json

SENIOR = "train/Annotations/Cephalometric Landmarks/Senior Orthodontists"
STAGES = "train/Annotations/CVM Stages"


def edit(path, change):
    """Changes a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


BREAKAGES = {
    "missing label": lambda root: (root / SENIOR / "train002.json").unlink(),
    "missing stage": lambda root: (root / STAGES / "train002.json").unlink(),
    "label without film": lambda root: (root / "train/Cephalograms/train002.png").unlink(),
    "broken json": lambda root: (root / SENIOR / "train002.json").write_text("{"),
    "film twice": lambda root: (root / "train/Cephalograms/train002.bmp").write_bytes(b"x"),
    "other film's label": lambda root: edit(root / SENIOR / "train002.json", lambda c: c.update(ceph_id="train003")),
    "unknown landmark": lambda root: edit(
        root / SENIOR / "train002.json", lambda c: c["landmarks"][0].update(symbol="Q")
    ),
    "landmark twice": lambda root: edit(
        root / SENIOR / "train002.json", lambda c: c["landmarks"].append(c["landmarks"][0])
    ),
    "other landmark's id": lambda root: edit(
        root / SENIOR / "train002.json",
        lambda c: c["landmarks"][0].update(landmark_id=c["landmarks"][1]["landmark_id"]),
    ),
    "symbol is a list": lambda root: edit(
        root / SENIOR / "train002.json", lambda c: c["landmarks"][0].update(symbol=["A"])
    ),
    "number without end": lambda root: edit(
        root / SENIOR / "train002.json", lambda c: c["landmarks"][0]["value"].update(x=10**400)
    ),
    "brackets without end": lambda root: (root / SENIOR / "train002.json").write_text("[" * 100_000),
    "no number": lambda root: edit(
        root / SENIOR / "train002.json", lambda c: c["landmarks"][0]["value"].update(x="left")
    ),
    "infinite": lambda root: edit(
        root / SENIOR / "train002.json", lambda c: c["landmarks"][0]["value"].update(x=1e999)
    ),
    "stage 7": lambda root: edit(root / STAGES / "train002.json", lambda c: c["cvm_stage"].update(value=7)),
    "stage contradicts": lambda root: edit(
        root / STAGES / "train002.json", lambda c: c["cvm_stage"].update(title="CVM-S6")
    ),
}
