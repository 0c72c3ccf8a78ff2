"""Poses of generated figures: a skeleton in three dimensions, turned and put into a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

View = Literal["front", "side", "back", "additional"]
VIEWS: tuple[View, ...] = get_args(View)
"""From where a figure is seen; an additional view is from the front, nearer to it."""

(
    NOSE, NECK, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST, R_HIP, R_KNEE, R_ANKLE,
    L_HIP, L_KNEE, L_ANKLE, R_EYE, L_EYE, R_EAR, L_EAR,
) = range(18)  # fmt: skip

# Rows of the body, from the crown (0) to the soles (1).
_EYES, _NOSE_TIP, _NECK_BASE, _SHOULDERS, _HIPS = 0.068, 0.083, 0.17, 0.202, 0.5
_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.165, 0.145, 0.235, 0.225


@dataclass(frozen=True)
class Pose:
    """How a figure stands and where in the picture it is.

    Args:
        places: (18, 2) float64, x and y of the joints in pixels, in OpenPose's order; of those
            out of sight as well.
        depths: (18,) float64, how near each joint is to the viewer, in pixels before the spine.
        seen: (18,) whether a joint is in the picture and not hidden.
        facing: direction of the body in radians: 0 to the viewer, pi/2 to the picture's right.
        height: of the whole person in pixels, from crown to soles.
    """

    places: Float[np.ndarray, "18 2"]
    depths: Float[np.ndarray, " 18"]
    seen: Bool[np.ndarray, " 18"]
    facing: float
    height: float


def sample_pose(rng: np.random.Generator, size: tuple[int, int], view: View = "front") -> Pose:
    """Draws a random pose.

    Args:
        rng: source of all random choices.
        size: height and width of the picture in pixels.
        view: from where the figure is seen.

    Returns:
        The pose.

    Raises:
        ValueError: there is no such view.
    """
    if view not in VIEWS:
        raise ValueError(f"view {view!r}, expected one of {', '.join(VIEWS)}")
    turn = rng.uniform(-0.35, 0.35)
    facing = {"side": np.sign(turn) * 1.35 - turn, "back": np.pi + turn}.get(view, turn)
    body = _sample_body(rng)
    x, y, z = body.T
    across = x * np.cos(facing) + z * np.sin(facing)
    depths = z * np.cos(facing) - x * np.sin(facing)
    near = rng.uniform(1.25, 1.5) if view == "additional" else rng.uniform(0.88, 0.94)
    height = near * min(size[0], 2.0 * size[1])
    top = 0.04 * size[0] if near > 1 else 0.5 * (size[0] - height)
    middle = size[1] * (0.5 + rng.uniform(-0.05, 0.05))
    places = np.stack([middle + height * across, top + height * y], axis=1)
    inside = ((places >= 1) & (places <= np.array([size[1] - 2, size[0] - 2]))).all(axis=1)
    shown = np.ones(18, dtype=bool)
    shown[[NOSE, R_EYE, L_EYE]] = depths[[NOSE, R_EYE, L_EYE]] > 0
    shown[[R_EAR, L_EAR]] = depths[[R_EAR, L_EAR]] > -0.025
    missed = rng.random(18) < 0.02
    return Pose(places, height * depths, inside & shown & ~missed, float(facing), float(height))


def _sample_body(rng: np.random.Generator) -> Float[np.ndarray, "18 3"]:
    """Draws the joints of a body of height 1: x to its left, y down, z forwards."""
    body = np.zeros((18, 3))
    broad, wide = rng.uniform(0.098, 0.118), rng.uniform(0.05, 0.06)
    body[NECK] = (0, _NECK_BASE, 0)
    nod = rng.uniform(-0.012, 0.012)
    body[NOSE] = (nod, _NOSE_TIP, 0.055)
    for side, eye, ear in ((-1, R_EYE, R_EAR), (1, L_EYE, L_EAR)):
        body[eye] = (side * 0.02 + nod, _EYES, 0.045)
        body[ear] = (side * 0.044, 0.075, -0.005)
    slope, shift = rng.uniform(-0.012, 0.012), rng.uniform(-0.02, 0.02)
    stance = str(rng.choice(("still", "stride", "bent")))
    swing = rng.uniform(0.12, 0.4) if stance == "stride" else 0.0
    bent = 1 if rng.random() < 0.5 else -1
    arms = (
        (-1, R_SHOULDER, R_ELBOW, R_WRIST, R_HIP, R_KNEE, R_ANKLE),
        (1, L_SHOULDER, L_ELBOW, L_WRIST, L_HIP, L_KNEE, L_ANKLE),
    )
    for side, shoulder, elbow, wrist, hip, knee, ankle in arms:
        body[shoulder] = (side * broad, _SHOULDERS + side * slope, 0)
        upper, lower = _sample_arm(rng, side)
        body[elbow] = body[shoulder] + _UPPER_ARM * upper
        body[wrist] = body[elbow] + _FOREARM * lower
        body[hip] = (side * wide + shift, _HIPS - 0.5 * side * slope, 0)
        spread, step = rng.uniform(-0.02, 0.13), side * bent * swing
        fold = rng.uniform(0.2, 0.5) if stance == "bent" and side == bent else 0.05
        body[knee] = body[hip] + _THIGH * _unit(side * spread, 1, step + 0.8 * fold)
        body[ankle] = body[knee] + _SHIN * _unit(0.3 * side * spread, 1, step - fold)
    return body


def _sample_arm(
    rng: np.random.Generator, side: int
) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """Draws the directions of upper arm and forearm of the right (-1) or left (1) side."""
    kind = str(rng.choice(("hanging", "hip", "raised", "bent"), p=(0.5, 0.22, 0.1, 0.18)))
    out, ahead = side * rng.uniform(0.08, 0.35), rng.uniform(-0.15, 0.25)
    if kind == "hanging":
        return _unit(out, 1, ahead), _unit(0.7 * out, 1, ahead + rng.uniform(0, 0.3))
    if kind == "hip":
        return _unit(side * 0.85, 1, -0.2), _unit(side * rng.uniform(-1.0, -0.7), 0.6, 0.35)
    if kind == "raised":
        return _unit(side * rng.uniform(0.7, 1.6), 0.5, 0.1), _unit(side * 0.25, -1, 0.2)
    return _unit(0.8 * out, 1, ahead), _unit(side * rng.uniform(-0.5, 0.3), -0.1, 0.9)


def _unit(x: float, y: float, z: float) -> Float[np.ndarray, " 3"]:
    direction = np.array([x, y, z])
    return direction / np.linalg.norm(direction)
