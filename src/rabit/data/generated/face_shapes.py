"""The shapes of a generated face: a head in three dimensions, drawn part by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

Points = Float[np.ndarray, "P 2"]

FRAME, LENS = 1, 2
"""Ids of the map of glasses."""

_HALF_TURN = np.linspace(0, np.pi, 25)
_TURN = np.linspace(0, 2 * np.pi, 49)


@dataclass(frozen=True)
class Head:
    """Where a head is and how it is turned; lengths are in half widths of the head.

    Args:
        unit: half the width of the head in pixels.
        x: column of its middle in pixels.
        y: row of its middle in pixels.
        yaw: turn to the picture's right in radians.
        pitch: turn downwards in radians.
        roll: tilt in radians, clockwise.
    """

    unit: float
    x: float
    y: float
    yaw: float
    pitch: float
    roll: float

    def outline(self, points: Points) -> Points:
        """Places points (P, 2) of the head's outline, which turns with its tilt alone."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned = points @ np.array([[cos, sin], [-sin, cos]])
        return turned * self.unit + np.array([self.x, self.y])

    def front(self, points: Points, rise: float = 0.0) -> Points:
        """Places points (P, 2) of the face, which lie on an ellipsoid or `rise` before it."""
        x, y = points[:, 0], points[:, 1]
        z = np.sqrt(np.clip(1 - x**2 - (y / 1.4) ** 2, 0.02, None)) + rise
        x, z = (
            x * np.cos(self.yaw) + z * np.sin(self.yaw),
            z * np.cos(self.yaw) - x * np.sin(self.yaw),
        )
        y = y * np.cos(self.pitch) + z * np.sin(self.pitch)
        return self.outline(np.stack([x, y], axis=1))


class FaceBrush:
    """Draws the parts of one face, each over those before it.

    Args:
        parts: the map of parts that is drawn on.
        glasses: the map of glasses that is drawn on.
        rng: source of all random choices.
        head: where the head is.
        classes: names of the parts, by id.
    """

    def __init__(
        self,
        parts: Image.Image,
        glasses: Image.Image,
        rng: np.random.Generator,
        head: Head,
        classes: tuple[str, ...],
    ) -> None:
        self.parts = ImageDraw.Draw(parts)
        self.glasses = ImageDraw.Draw(glasses)
        self.bottom = parts.height
        self.rng = rng
        self.head = head
        self.classes = classes
        self.jaw = self.between(0.04, 0.24)
        self.chin = self.between(1.24, 1.4)
        self.hair = str(rng.choice(("short", "bob", "long", "curly", "bun", "crop")))
        self.smile = self.between(-0.03, 0.12)
        self.hat = str(rng.choice(("", "beanie", "brim", "cap"), p=(0.79, 0.08, 0.07, 0.06)))

    def between(self, low: float, high: float) -> float:
        """Returns a uniform random number of [low, high)."""
        return float(low + (high - low) * self.rng.random())

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return bool(self.rng.random() < probability)

    def draw(self) -> None:
        """Draws all parts, those behind first."""
        self._draw_back_hair()
        self._draw_neck()
        self._draw_ears()
        self._fill("skin", self.head.outline(self._face_outline()))
        self._draw_eyes()
        self._draw_nose()
        self._draw_mouth()
        self._draw_front_hair()
        if self.hat:
            self._draw_hat()
        if self.chance(0.22):
            self._draw_glasses()

    def _fill(self, name: str, points: Points) -> None:
        self.parts.polygon([(x, y) for x, y in points.tolist()], fill=self.classes.index(name))

    def _face_outline(self) -> Points:
        """The outline of the face: an ellipse above, jaw and chin below."""
        x, y = np.cos(_TURN), np.sin(_TURN)
        low = np.clip(y, 0, None)
        x = np.sign(x) * np.abs(x) ** (1 - 0.35 * low) * (1 - self.jaw * low**1.5)
        return np.stack([0.97 * x, np.where(y > 0, self.chin, 1.3) * y], axis=1)

    def _draw_back_hair(self) -> None:
        """Draws what hair lies behind head, neck and shoulders."""
        if self.hair == "crop":
            return
        wide = {"short": 1.1, "bob": 1.24, "long": 1.2, "curly": 1.5, "bun": 1.08}[self.hair]
        self._fill("hair", self.head.outline(_ellipse(0, -0.25, wide, 1.28 if wide < 1.4 else 1.5)))
        if self.hair == "bun":
            self._fill("hair", self.head.outline(_ellipse(0, -1.65, 0.45, 0.4)))
        if self.hair in ("bob", "long"):
            end = self.between(0.95, 1.3) if self.hair == "bob" else self.between(2.0, 3.2)
            flare = wide + self.between(-0.02, 0.16)
            fall = np.array([[wide, -0.3], [flare, end], [-flare, end], [-wide, -0.3]])
            self._fill("hair", self.head.outline(fall))

    def _draw_neck(self) -> None:
        """Draws neck, clothes with one of three necklines, and perhaps a necklace."""
        half, base = self.between(0.46, 0.6), self.chin + self.between(0.22, 0.4)
        slope = self.between(0.32, 0.6)
        x, y = 0.35 * self.head.roll, self.bottom / self.head.unit
        neck = np.array(
            [[x - half, 0.7], [x + half, 0.7], [half + 0.1, base], [2.4, base + slope + 0.5],
             [2.4, y], [-2.4, y], [-2.4, base + slope + 0.5], [-half - 0.1, base]]
        )  # fmt: skip
        upright = Head(self.head.unit, self.head.x, self.head.y, 0, 0, 0)
        self._fill("neck", upright.outline(neck))
        neckline = int(self.rng.integers(3))
        if neckline == 0:  # a V
            inner = [[-half - 0.1, base], [0, base + 0.95], [half + 0.1, base]]
        elif neckline == 1:  # round
            arc = np.pi - _HALF_TURN
            across = (half + 0.25) * np.cos(arc)
            inner = np.stack([across, base + 0.12 + 0.4 * np.sin(arc)], axis=1).tolist()
        else:  # a collar
            inner = [[-half - 0.06, base - 0.28], [0, base + 0.02], [half + 0.06, base - 0.28]]
        shoulders = [[2.3, base + slope], [3.4, base + slope + 1], [3.4, y], [-3.4, y]]
        shoulders += [[-3.4, base + slope + 1], [-2.3, base + slope]]
        self._fill("cloth", upright.outline(np.array([*inner, *shoulders])))
        if neckline < 2 and self.chance(0.3):
            arc = upright.outline(_arc(half + 0.02, base - 0.05, 0.36))
            line = [(x, y) for x, y in arc.tolist()]
            wide = max(2, round(0.07 * self.head.unit))
            self.parts.line(line, self.classes.index("necklace"), wide, joint="curve")

    def _draw_ears(self) -> None:
        """Draws the ears beside the face, and perhaps earrings below them."""
        rings = self.chance(0.3)
        tall = self.between(0.26, 0.34)
        for name, side in (("r_ear", -1), ("l_ear", 1)):
            x = side * np.cos(self.head.yaw) - 0.12 * np.sin(self.head.yaw)
            self._fill(name, self.head.outline(_ellipse(x, 0.05, 0.15, tall)))
            if rings and side * self.head.yaw < 0.2:
                drop = _ellipse(1.05 * x, 0.08 + tall + 0.12, 0.075, 0.14)
                self._fill("earring", self.head.outline(drop))

    def _draw_eyes(self) -> None:
        """Draws brows and eyes."""
        high, wide = self.between(0.1, 0.15), self.between(0.21, 0.26)
        apart, tilt = self.between(0.4, 0.46), self.between(-0.04, 0.05)
        lift, thick = self.between(0.22, 0.3), self.between(0.035, 0.065)
        t = np.linspace(-1, 1, 17)
        for letter, side in (("r", -1), ("l", 1)):
            x = side * apart + wide * t
            slant = -0.14 + tilt * -side * t
            lid, under = -high * (1 - t**2) ** 0.8, 0.75 * high * (1 - t**2)
            almond = np.concatenate([_curve(x, slant + lid), _curve(x, slant + under)[::-1]])
            self._fill(f"{letter}_eye", self.head.front(almond))
            arch = -0.16 - lift - 0.09 * (1 - t**2) + 0.05 * side * t
            taper = thick * (1 - 0.55 * (0.5 + 0.5 * side * t))
            brow_x = side * (apart + 0.02) + 1.25 * wide * t
            brow = np.concatenate(
                [_curve(brow_x, arch - taper), _curve(brow_x, arch + taper)[::-1]]
            )
            self._fill(f"{letter}_brow", self.head.front(brow, 0.03))

    def _draw_nose(self) -> None:
        """Draws the nose, which stands before the face."""
        half, tip = self.between(0.17, 0.25), self.between(0.38, 0.5)
        down = np.linspace(-0.1, tip - 0.08, 9)
        side = 0.075 + (half - 0.075) * np.linspace(0, 1, 9) ** 2.2
        base = np.stack([half * np.cos(_HALF_TURN), tip - 0.08 + 0.12 * np.sin(_HALF_TURN)], axis=1)
        self._fill(
            "nose",
            self.head.front(
                np.concatenate([_curve(side, down), base, _curve(-side, down)[::-1]]), 0.16
            ),
        )

    def _draw_mouth(self) -> None:
        """Draws the lips, and what lies between them in an open mouth."""
        wide, y = self.between(0.29, 0.38), self.between(0.7, 0.78)
        gap = self.between(0.06, 0.15) if self.chance(0.45) else 0.0
        full = self.between(0.06, 0.11)
        t = np.linspace(-1, 1, 25)
        middle = y + self.smile * (0.5 - t**2)
        bow = full * (1 - t**2) ** 0.7 * (1 - 0.25 * np.exp(-((t / 0.16) ** 2)))
        lower = middle + 0.7 * gap * (1 - t**2)
        upper = middle - 0.3 * gap * (1 - t**2)
        rim = lower + 1.15 * full * (1 - t**2) ** 0.8
        self._fill_between("u_lip", wide * t, upper - bow, upper)
        self._fill_between("l_lip", wide * t, lower, rim)
        if gap:
            self._fill_between("mouth", 0.96 * wide * t, upper, lower)

    def _fill_between(self, name: str, x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> None:
        both = np.concatenate([_curve(x, top), _curve(x, bottom)[::-1]])
        self._fill(name, self.head.front(both, 0.02))

    def _draw_front_hair(self) -> None:
        """Draws the hair over the forehead, and locks beside the face."""
        crown = 1.42 if self.hair in ("crop", "short", "bun") else 1.5
        wide = {"crop": 1.0, "curly": 1.3}.get(self.hair, 1.1)
        turn = -_HALF_TURN
        outer = np.stack([wide * np.cos(turn), -0.3 + (crown - 0.2) * np.sin(turn)], axis=1)
        line, part = self.between(-0.92, -0.55), self.between(-0.5, 0.5)
        temple = self.between(0.86, 0.93)
        x = np.linspace(-temple, temple, 25)
        fringe = line + 0.22 * np.abs(x - part) ** 1.6 if self.chance(0.6) else line + 0.1 * x**2
        if self.hair == "crop":
            fringe = -1.0 + 0.45 * x**4
        shift = 0.5 * np.sin(self.head.yaw)
        inner = np.stack([x + shift * (1 - (x / temple) ** 2), fringe], axis=1)
        edge = [[-temple, -0.25], *inner.tolist(), [temple, -0.25]]
        self._fill("hair", self.head.outline(np.concatenate([outer, np.array(edge)])))
        if self.hair in ("bob", "long", "curly"):
            reach = {"bob": 0.9, "long": self.between(1.4, 2.4), "curly": 0.4}[self.hair]
            for side in (-1, 1):
                lock = [[0.84, -0.9], [wide, -0.8], [wide + 0.14, reach], [0.9, reach], [0.8, 0.0]]
                self._fill("hair", self.head.outline(np.array(lock) * np.array([side, 1])))

    def _draw_hat(self) -> None:
        """Draws a knitted hat, one with a brim, or a cap."""
        turn = -_HALF_TURN
        wide, tall = (1.4, 1.22) if self.hair == "curly" else (1.2, 1.04)
        low = self.between(-0.72, -0.58)
        dome = np.stack([wide * np.cos(turn), low + tall * np.sin(turn)], axis=1)
        bend = np.stack([wide * np.cos(_HALF_TURN[::-1]), low + 0.1 * np.sin(_HALF_TURN)], axis=1)
        self._fill("hat", self.head.outline(np.concatenate([dome, bend])))
        if self.hat == "brim":
            self._fill("hat", self.head.outline(_ellipse(0, low - 0.02, 1.75, 0.17)))
        elif self.hat == "cap":
            at = 0.9 * np.sin(self.head.yaw)
            self._fill("hat", self.head.outline(_ellipse(at, low + 0.06, 0.95, 0.15)))

    def _draw_glasses(self) -> None:
        """Draws two lenses in a frame with its bridge and arms, on a map of their own."""
        wide, tall = self.between(0.31, 0.38), self.between(0.22, 0.33)
        thick = max(0.05, 1.6 / self.head.unit)
        boxy = self.between(0.45, 1.0)
        for size, fill in ((thick, FRAME), (0.0, LENS)):
            for side in (-1, 1):
                cos, sin = np.cos(_TURN), np.sin(_TURN)
                x = side * 0.44 + (wide + size) * np.sign(cos) * np.abs(cos) ** boxy
                y = -0.1 + (tall + size) * np.sign(sin) * np.abs(sin) ** boxy
                self._wear(fill, _curve(x, y))
            if fill == FRAME:
                for left, right in ((-0.2, 0.2), (0.7, 0.99), (-0.99, -0.7)):
                    bar = np.array([[left, -0.2], [right, -0.2], [right, -0.12], [left, -0.12]])
                    self._wear(FRAME, bar)

    def _wear(self, fill: int, points: Points) -> None:
        placed = self.head.front(points, 0.08)
        self.glasses.polygon([(x, y) for x, y in placed.tolist()], fill=fill)


def draw_face(
    rng: np.random.Generator, size: tuple[int, int], classes: tuple[str, ...]
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]]:
    """Draws a random face.

    Args:
        rng: source of all random choices.
        size: height and width in pixels of the maps.
        classes: names of the parts, by id.

    Returns:
        (H, W) ids of the parts without glasses, and (H, W) glasses: 0, `FRAME` or `LENS`.
    """
    height, width = size
    parts, glasses = (Image.new("L", (width, height)) for _ in range(2))
    side = min(height, width)
    head = Head(
        unit=side * rng.uniform(0.215, 0.26),
        x=width / 2 + side * rng.uniform(-0.04, 0.04),
        y=height / 2 + side * rng.uniform(0.01, 0.06),
        yaw=float(np.clip(rng.normal(0, 0.25), -0.5, 0.5)),
        pitch=rng.uniform(-0.12, 0.12),
        roll=float(np.clip(rng.normal(0, 0.09), -0.25, 0.25)),
    )
    FaceBrush(parts, glasses, rng, head, classes).draw()
    return np.array(parts), np.array(glasses)


def _curve(x: np.ndarray, y: np.ndarray) -> Points:
    return np.stack([x, y], axis=1)


def _ellipse(x: float, y: float, across: float, down: float) -> Points:
    return _curve(x + across * np.cos(_TURN), y + down * np.sin(_TURN))


def _arc(half: float, y: float, sag: float) -> Points:
    return _curve(half * np.cos(_HALF_TURN), y + sag * np.sin(_HALF_TURN))
