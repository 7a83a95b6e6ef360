"""How a head lies on its film, told by all of its landmarks: looking to the left or the right, and turned by how many
quarters. A scan may lie on its side or on its head, where left and right on the film say nothing of the face.
"""

import numpy as np

from config import LANDMARK_INDEX, SYMBOLS

# An adult with balanced jaws, mm.
TEMPLATE_MM = {
    "S": (0, 0), "N": (70, -9), "Or": (57, 21), "Po": (-21, 20), "ANS": (73, 44), "PNS": (21, 46), "A": (69, 52),
    "UIT": (76, 75), "UIA": (66, 53), "LIT": (73.5, 73), "LIA": (65, 93), "B": (65, 96), "Pog": (66, 109), "Gn": (63,
    115),
    "Me": (56, 117.5), "Go": (-6, 85), "R": (-10.5, 62), "Ar": (-15, 35), "Co": (-12, 24), "UMT": (46, 73),
    "LMT": (43, 75),
    "UPM": (56, 74), "LPM": (53.5, 75.5), "N`": (77, -8), "Pn": (99, 37), "Sn": (84, 52), "Ls": (88, 65),
    "Li": (85.5, 81),
    "Pog`": (77, 109),
}  # fmt: skip
TEMPLATE = np.array([TEMPLATE_MM[symbol] for symbol in SYMBOLS], dtype=np.float64)  # (29, 2), looking right, y down
ENOUGH = 10  # landmarks that tell by their shape how a head lies; fewer may lie on a line
QUARTERS = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]], dtype=np.float64)
MIRROR = np.diag([-1.0, 1.0])


def to_anatomical(landmarks: np.ndarray) -> np.ndarray:
    """(2, 2) what brings directions of a film to a face that looks to +x with y down: a mirror image where it looks
    the other way, then whole quarter turns. (29, 2) in any unit, NaN where a landmark is missing.

    With few landmarks a film counts as upright, and it looks to where nasion lies from sella.
    """
    known = ~np.isnan(landmarks).any(axis=-1)
    if known.sum() < ENOUGH:
        nasion, sella = landmarks[LANDMARK_INDEX["N"]], landmarks[LANDMARK_INDEX["S"]]
        return MIRROR if nasion[0] < sella[0] else np.eye(2)
    here, template = landmarks[known] - landmarks[known].mean(axis=0), TEMPLATE[known] - TEMPLATE[known].mean(axis=0)
    moment = here.T @ template
    facing = MIRROR if np.linalg.det(moment) < 0 else np.eye(2)
    moment = facing @ moment
    turned = np.arctan2(moment[1, 0] - moment[0, 1], moment[0, 0] + moment[1, 1])
    return QUARTERS[round(turned / (np.pi / 2)) % 4] @ facing
