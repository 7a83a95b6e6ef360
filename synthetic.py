"""The phantom's drawing: an anatomy becomes a film as an X-ray shows it, attenuation added up along the beam.

Everything follows from (seed, index); landmarks are where the drawn curves turn, meet or end, never marked.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from anatomy import Anatomy, make_anatomy
from artefacts import add_artefacts
from config import STAGE_COUNT
from sheet import Sheet, blurred, ellipse, smooth

MACHINES = (("Phantom A", 0.17), ("Phantom B", 0.20), ("Phantom C", 0.26), ("Phantom D", 0.33))  # name, mm per pixel


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic film and its truth."""

    image: np.ndarray  # (height, width) or (height, width, 3), uint8 or uint16
    landmarks_px: np.ndarray  # (29, 2)
    vertebrae_px: np.ndarray  # (13, 2)
    stage: int
    pixel_size_mm: float
    machine: str


# --- the head, from back to front of the drawing ----------------------------------------------------------------------


def draw_head(sheet: Sheet, anatomy: Anatomy) -> None:
    """Adds everything that attenuates."""
    draw_soft_tissue(sheet, anatomy)
    draw_vault(sheet, anatomy)
    draw_base(sheet, anatomy)
    draw_midface(sheet, anatomy)
    draw_mandible(sheet, anatomy)
    draw_teeth(sheet, anatomy)
    draw_neck(sheet, anatomy)


def draw_soft_tissue(sheet: Sheet, anatomy: Anatomy) -> None:
    """Skin from the forehead over nose, lips and chin to the neck, and the back of the head."""
    p = anatomy.points
    half_length, half_height = anatomy.vault_mm
    centre = vault_centre(anatomy)
    profile = [
        centre + [half_length * 0.92, -half_height * 0.45], p["N`"] + [3, -18], p["N`"],
        0.5 * (p["N`"] + p["Pn"]) + [2, -2],
        p["Pn"], 0.35 * p["Pn"] + 0.65 * p["Sn"] + [1.5, 4], p["Sn"], 0.5 * (p["Sn"] + p["Ls"]) + [-1.5, 0], p["Ls"],
        0.5 * (p["Ls"] + p["Li"]) + [-5, 0], p["Li"], 0.5 * (p["Li"] + p["Pog`"]) + [-5, -1], p["Pog`"],
        p["Me"] + [9, 8], p["Me"] + [-8, 11],
    ]  # fmt: skip
    below = [p["Go"] + [22, 38], p["Go"] + [10, 110]]
    behind = [p["Go"] + [-75, 110], p["Go"] + [-68, 40]]
    back = list(ellipse(centre, (half_length + 6, half_height + 6), 140, 325)[::2])
    outline = np.vstack([smooth(profile), below, behind, back])
    sheet.fill(outline, 0.30, blur_mm=0.6)
    # The head is thickest far from its outline.
    depth = cv2.distanceTransform((sheet.attenuation > 0.15).astype(np.uint8), cv2.DIST_L2, 5) / sheet.px_per_mm
    sheet.attenuation += 0.40 * np.sqrt(np.minimum(depth, 60.0) / 60.0)


def vault_centre(anatomy: Anatomy) -> np.ndarray:
    """The middle of the skull."""
    return np.array([-18.0, -30.0]) * anatomy.vault_mm[0] / 98.0


def draw_vault(sheet: Sheet, anatomy: Anatomy) -> None:
    """The skull's two tables, and the brain's cavity a little brighter."""
    centre, (length, height) = vault_centre(anatomy), anatomy.vault_mm
    nasion = anatomy.points["N"]
    outer = smooth([*ellipse(centre, (length, height), 105, 320)[::4], nasion + [0, -14], nasion])
    inner = smooth([*ellipse(centre, (length - 6, height - 6), 105, 318)[::4], nasion + [-9, -14], nasion + [-12, -2]])
    sheet.fill(np.vstack([outer, inner[::-1]]), 0.25)
    sheet.line(outer, 1.6, 0.40)
    sheet.line(inner, 1.2, 0.30)
    sheet.line(ellipse(centre + [8, 8], (length * 0.5, height * 0.45), 200, 300), 0.8, 0.05, blur_mm=1.0)


def draw_base(sheet: Sheet, anatomy: Anatomy) -> None:
    """Cranial base with the sella's cup around S, clivus to beyond articulare, ear canal, nasal bone."""
    p = anatomy.points
    cup = ellipse(p["S"] + [0.3, -0.8], (6.2, 5.6), -20, 200)
    front, back = cup[0], cup[-1]
    planum = smooth([p["N"] + [-12, -2], p["N"] * 0.62 + [0, -3], front + [14, -4], front + [1.5, -1.5]])
    clivus = smooth([back + [-0.5, -2.0], back + [-6, 9], p["Ar"] * 0.5 + [-8, 8], p["Ar"], p["Ar"] + [-17, 13]])
    sheet.line(cup, 1.3, 0.75)
    sheet.line(planum, 1.4, 0.55)
    sheet.line(clivus, 1.5, 0.60)
    petrous = smooth(
        [p["Po"] + [-14, -7], p["Po"] + [8, -11], back + [-4, 8], p["Ar"] + [-5, 5], p["Po"] + [-16, 14]], closed=True
    )
    sheet.fill(petrous, 0.55, blur_mm=2.0)
    canal = ellipse(p["Po"] + [0, 4.2], (3.8, 4.2))
    sheet.fill(canal, -0.45)
    sheet.line(canal, 1.1, 0.55, closed=True)
    nasal_bone = smooth([p["N"], p["N"] + [6, 9], p["N"] + [11, 20]])
    sheet.line(nasal_bone, 1.8, 0.45)
    sheet.fill(
        np.array([p["N"] + [-12, -2], p["N"] + [-9, -15], p["N"] + [-2, -16], p["N"] + [-1, -3]]), -0.12, blur_mm=1.2
    )


def draw_midface(sheet: Sheet, anatomy: Anatomy) -> None:
    """Orbit with Or its lowest point, sinus, palate with both spines, the maxilla's front through A."""
    p = anatomy.points
    orbit = smooth([p["Or"] + [10, -25], p["Or"] + [9, -8], p["Or"], p["Or"] + [-9, -6], p["Or"] + [-17, -22]])
    sheet.line(orbit, 1.3, 0.55)
    sheet.line(smooth([p["Or"] + [-2, 1], p["Or"] + [-7, 14], p["Or"] + [-10, 27]]), 1.6, 0.22, blur_mm=0.8)
    sinus = smooth([p["Or"] + [3, 5], p["Or"] + [-22, 4], p["PNS"] + [6, -6], p["A"] + [-10, -10]], closed=True)
    sheet.fill(sinus, -0.22, blur_mm=1.5)
    floor = smooth(
        [p["ANS"], p["ANS"] * 0.75 + p["PNS"] * 0.25 + [0, 1.5], 0.5 * (p["ANS"] + p["PNS"]) + [0, 1.2], p["PNS"]]
    )
    roof = smooth([p["PNS"], 0.5 * (p["ANS"] + p["PNS"]) + [0, 5], p["UIA"] + [-8, 3], p["UIA"] + [-2, 16]])
    sheet.fill(np.vstack([floor, roof]), 0.40, blur_mm=0.6)
    sheet.line(floor, 1.5, 0.60)
    sheet.line(roof, 1.2, 0.30)
    alveolus = p["UIT"] * 0.45 + p["UIA"] * 0.55 + [3.2, 0]
    front = smooth(
        [p["ANS"], p["ANS"] * 0.35 + p["A"] * 0.65 + [0.4, 0.5], p["A"], 0.5 * (p["A"] + alveolus) + [0.6, 0], alveolus]
    )
    body = np.vstack([front, [p["UIA"] + [-16, 16], p["UMT"] + [-8, -9], p["PNS"] + [8, 2]]])
    sheet.fill(body, 0.32, blur_mm=0.6)
    sheet.line(front, 1.3, 0.50)
    pterygoid = smooth([p["PNS"] + [-2, -22], p["PNS"] + [-5, -8], p["PNS"] + [-1, 2]])
    sheet.line(pterygoid, 1.8, 0.35)


def mandible_outline(anatomy: Anatomy) -> np.ndarray:
    """The mandible from the condyle down its back, along the lower border, up the chin and back over the ramus."""
    p = anatomy.points
    alveolus = p["LIT"] * 0.5 + p["LIA"] * 0.5
    knots = [
        p["Co"] + [5, 2.5], p["Co"], p["Co"] + [-4.2, 4.5], p["Ar"], 0.5 * (p["Ar"] + p["R"]) + [0.6, 0], p["R"],
        0.45 * p["R"] + 0.55 * p["Go"] + [-0.8, 0], p["Go"], p["Go"] * 0.8 + p["Me"] * 0.2 + [2, 4],
        0.5 * (p["Go"] + p["Me"]) + [0, 3.5], p["Me"], p["Gn"], p["Pog"], 0.5 * (p["Pog"] + p["B"]) + [-0.6, -0.5],
        p["B"], alveolus + [3.4, 0], alveolus + [-4, -2], p["LPM"] + [-1, 9], p["LMT"] + [-12, 8],
        p["LMT"] + [-17, -8], p["Co"] + [27, 12], p["Co"] + [22, 7], p["Co"] + [13, 16], p["Co"] + [8, 9],
    ]  # fmt: skip
    return smooth(knots, closed=True)


def draw_mandible(sheet: Sheet, anatomy: Anatomy) -> None:
    """The mandible, the other side's lower border a little off, and the nerve's canal."""
    p = anatomy.points
    outline = mandible_outline(anatomy)
    sheet.bone(outline, 0.36, 0.42, 1.5)
    other = smooth([p["R"] + [3, 1], p["Go"] + [4.0, -2.5], 0.5 * (p["Go"] + p["Me"]) + [3, 0.5]])
    sheet.line(other, 1.0, 0.16)
    canal = smooth([p["Co"] + [13, 34], p["Go"] + [18, -10], 0.5 * (p["Go"] + p["Me"]) + [4, -9]])
    sheet.line(canal, 2.2, -0.10, blur_mm=0.6)
    chin = smooth([p["Me"], p["Gn"], p["Pog"], 0.5 * (p["Pog"] + p["B"]) + [-0.6, -0.5], p["B"]])
    sheet.line(chin, 1.6, 0.30)


def draw_teeth(sheet: Sheet, anatomy: Anatomy) -> None:
    """Incisors from apex to tip, premolars and molars with the cusp that bears the landmark."""
    p = anatomy.points
    for tip, apex, width in (("UIT", "UIA", 7.5), ("LIT", "LIA", 5.8)):
        sheet.bone(incisor(p[tip], p[apex], width), 0.75, 0.30, 0.7)
    for cusp, down, width in (("UMT", -1, 11.5), ("LMT", 1, 11.5), ("UPM", -1, 7.5), ("LPM", 1, 7.5)):
        sheet.bone(cheek_tooth(p[cusp], down, width), 0.55, 0.22, 0.7)


def incisor(tip: np.ndarray, apex: np.ndarray, width: float) -> np.ndarray:
    """A tooth's outline with a sharp edge at the tip and a pointed root."""
    along = apex - tip
    length = float(np.linalg.norm(along))
    across = np.array([-along[1], along[0]]) / length
    shape = (
        (0.0, 0.06),
        (0.18, 0.42),
        (0.38, 0.5),
        (0.65, 0.36),
        (0.9, 0.16),
        (1.0, 0.0),
    )  # way to the apex, half width
    side = [tip + along * way + across * half * width for way, half in shape]
    other = [tip + along * way - across * half * width for way, half in reversed(shape[:-1])]
    return np.array(side + other)


def cheek_tooth(cusp: np.ndarray, towards_root: int, width: float) -> np.ndarray:
    """Crown and roots; the front cusp stands out and is the landmark. `towards_root` is 1 for a lower tooth."""
    up = np.array([0.0, float(towards_root)])
    ahead = np.array([1.0, 0.0])
    second = cusp - ahead * width * 0.52 + up * 0.9
    return np.array([
        cusp + ahead * width * 0.26 + up * 3.0, cusp, cusp - ahead * width * 0.26 + up * 1.9, second,
        cusp - ahead * width * 0.74 + up * 3.2, cusp - ahead * width * 0.66 + up * 7.5,
        cusp - ahead * width * 0.50 + up * 19,
        cusp - ahead * width * 0.24 + up * 9.5, cusp + ahead * width * 0.02 + up * 19,
        cusp + ahead * width * 0.20 + up * 7.5,
    ])  # fmt: skip


def draw_neck(sheet: Sheet, anatomy: Anatomy) -> None:
    """C2 with its odontoid, C3 to C5, their spines, the hyoid; bodies end where their points are."""
    v = anatomy.vertebrae
    axis = [
        v["C2p"], v["C2p"] + [0.5, -14], v["dens"] + [-4.5, 6], v["dens"], v["dens"] + [4.5, 6], v["C2a"] + [-1.5, -17],
        v["C2a"] + [-0.5, -6], v["C2a"],
    ]  # fmt: skip
    sheet.bone(np.vstack([smooth(axis), lower_border(v["C2a"], v["C2m"], v["C2p"])]), 0.45, 0.45, 1.2)
    for name in ("C3", "C4", "C5"):
        corners = [v[name + part] for part in ("up", "ua", "la", "m", "lp")]
        upper = smooth([corners[0], 0.5 * (corners[0] + corners[1]) + [0, 0.7], corners[1]])
        waist = 0.5 * (corners[1] + corners[2]) + [-0.9, 0]
        border = lower_border(corners[2], corners[3], corners[4])
        body = np.vstack([upper, smooth([corners[1], waist, corners[2]]), border, smooth([corners[4], corners[0]])])
        sheet.bone(body, 0.45, 0.50, 1.2)
    for name in ("C2p", "C3lp", "C4lp", "C5lp"):
        root = v[name] + [-3, -4]
        spine = smooth([root, root + [-13, 1], root + [-27, 9], root + [-25, 14], root + [-11, 8]], closed=True)
        sheet.fill(spine, 0.22, blur_mm=1.2)
    hyoid = anatomy.points["Go"] + [24, 22]
    sheet.line(smooth([hyoid + [-12, -5], hyoid, hyoid + [9, 3]]), 3.0, 0.28, blur_mm=0.8)


def lower_border(anterior: np.ndarray, deepest: np.ndarray, posterior: np.ndarray) -> np.ndarray:
    """A lower border through its deepest point, corner to corner."""
    return smooth([anterior, 0.72 * anterior + 0.28 * posterior + 0.85 * (deepest - 0.5 * (anterior + posterior)),
    deepest,
                   0.28 * anterior + 0.72 * posterior + 0.85 * (deepest - 0.5 * (anterior + posterior)),
                   posterior])  # fmt: skip


# --- the film ---------------------------------------------------------------------------------------------------------


def make_phantom(seed: int, index: int, stage: int | None = None) -> Phantom:
    """The phantom number `index` of a seed; its stage is drawn unless given."""
    generator = np.random.default_rng([seed, index])
    drawn_stage = int(generator.integers(1, STAGE_COUNT + 1))
    stage = drawn_stage if stage is None else stage
    anatomy = make_anatomy(stage, generator)
    machine, pixel_size_mm = MACHINES[int(generator.integers(len(MACHINES)))]
    size, to_px = place_head(anatomy, pixel_size_mm, generator)
    sheet = Sheet(size, to_px)
    draw_head(sheet, anatomy)
    film = expose(sheet, generator)
    landmarks_px, vertebrae_px = to_px(anatomy.landmarks_mm()), to_px(anatomy.vertebrae_mm())
    if generator.random() < 0.12:  # a face that looks to the left
        film = film[:, ::-1]
        landmarks_px, vertebrae_px = ([size[1] - 1, 0] + points * [-1, 1] for points in (landmarks_px, vertebrae_px))
    image = finish(np.ascontiguousarray(film), generator)
    return Phantom(image, landmarks_px, vertebrae_px, stage, pixel_size_mm, machine)


def place_head(anatomy: Anatomy, pixel_size_mm: float, generator: np.random.Generator):
    """The film's (height, width) px, and the map from mm to its pixels: size, turn and place of the head."""
    width_mm = generator.uniform(205, 240)
    height_mm = width_mm * generator.choice([1.0, 1.12, 1.24])
    size = round(height_mm / pixel_size_mm), round(width_mm / pixel_size_mm)
    scale = generator.uniform(0.94, 1.06) / pixel_size_mm  # magnification varies a little
    angle = np.deg2rad(generator.normal(0, 4.0))
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    face = anatomy.landmarks_mm() @ matrix
    middle = 0.5 * (face.min(axis=0) + face.max(axis=0))
    wanted = np.array([size[1] * generator.uniform(0.58, 0.66), size[0] * generator.uniform(0.54, 0.60)])
    return size, lambda points_mm: points_mm @ matrix + (wanted - middle)


def expose(sheet: Sheet, generator: np.random.Generator) -> np.ndarray:
    """Attenuation to a film in 0-1 with bone bright: bone's grain, the film's curve, blur and noise."""
    grain = blurred(generator.normal(0, 1, sheet.attenuation.shape).astype(np.float32), 0.6 * sheet.px_per_mm)
    coarse = blurred(generator.normal(0, 1, sheet.attenuation.shape).astype(np.float32), 4.0 * sheet.px_per_mm)
    texture = 1 + 0.05 * grain / grain.std() + 0.05 * coarse / coarse.std()
    attenuation = np.maximum(sheet.attenuation, 0) * texture
    film = 1 - np.exp(-generator.uniform(0.75, 1.15) * attenuation)
    film = generator.uniform(0.02, 0.12) + film * generator.uniform(0.80, 1.0)
    film = np.clip(film, 0, 1) ** np.exp(generator.normal(0, 0.15))
    film = blurred(film, generator.uniform(0.1, 0.45) * sheet.px_per_mm)
    film = film + generator.normal(0, generator.uniform(0.004, 0.02), film.shape)
    return np.clip(film, 0, 1).astype(np.float32)


def finish(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Artefacts, polarity, and the depth and channels that a machine stores."""
    if generator.random() < 0.5:
        altered = add_artefacts(np.rint(film * 255).astype(np.uint8), generator).astype(np.float32) / 255
        # Only where something was added, so that the rest keeps its full depth.
        film = np.where(np.abs(altered - film) > 0.5 / 255, altered, film)
    if generator.random() < 0.12:
        film = 1 - film
    kind = generator.random()
    if kind < 0.1:
        return np.rint(film * 4095).astype(np.uint16)
    image = np.rint(film * 255).astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if kind < 0.6 else image
