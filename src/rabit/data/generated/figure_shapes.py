"""The shapes of a generated figure: body and clothes drawn around the joints of a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from rabit.data.generated import poses
from rabit.data.generated.poses import Pose

FIGURE_PARTS = (
    "background", "shadow", "hair", "face", "eye", "mouth", "nose", "neck", "torso", "hips",
    "skirt", "r_upper_arm", "l_upper_arm", "r_sleeve", "l_sleeve", "r_forearm", "l_forearm",
    "r_hand", "l_hand", "r_thigh", "l_thigh", "r_shin", "l_shin", "r_shoe", "l_shoe",
)  # fmt: skip
"""The parts that figures are drawn of, by id; from hair on they are the person."""

PERSON = FIGURE_PARTS.index("hair")
"""The first id of the person."""

Place = Float[np.ndarray, " 2"]

_TURN = np.linspace(0, 2 * np.pi, 33)


@dataclass(frozen=True)
class Cut:
    """The cut of clothes and hair, the same in all views of one person.

    Args:
        sleeves: none, short or long.
        bottom: trousers, shorts, skirt or dress.
        hem: how far down a skirt or dress reaches from the waist, as a share of the legs.
        hair: short, bob, long or bun.
        man: whether the hips are narrow and the waist is straight.
    """

    sleeves: str
    bottom: str
    hem: float
    hair: str
    man: bool


class FigureBrush:
    """Draws the parts of one figure, each over those before it.

    Args:
        image: the map that is drawn on.
        pose: the pose, in the pixels of the map.
        cut: of clothes and hair.
    """

    def __init__(self, image: Image.Image, pose: Pose, cut: Cut) -> None:
        self.brush = ImageDraw.Draw(image)
        self.pose = pose
        self.cut = cut
        self.unit = pose.height
        self.at = pose.places
        self.broad = self._breadth(0.112 if cut.man else 0.1, 0.06)
        self.waist = self._breadth(0.088 if cut.man else 0.07, 0.052)
        self.hip = self._breadth(0.09 if cut.man else 0.1, 0.062)
        self.middle = (self.at[poses.R_HIP] + self.at[poses.L_HIP]) / 2

    def draw(self) -> None:
        """Draws all parts, those behind first."""
        self._draw_shadow()
        behind = np.cos(self.pose.facing) < 0
        if not behind:
            self._draw_long_hair()
        near = self.pose.depths
        arms = {"r": near[poses.R_WRIST], "l": near[poses.L_WRIST]}
        legs = {"r": near[poses.R_KNEE], "l": near[poses.L_KNEE]}
        far = [letter for letter in arms if arms[letter] < -0.02 * self.unit]
        for letter in far:
            self._draw_arm(letter)
        self._draw_hips()
        for letter in sorted(legs, key=lambda letter: legs[letter]):
            self._draw_leg(letter)
        self._draw_trunk()
        if not behind:
            self._draw_head()
        for letter in sorted(set(arms) - set(far), key=lambda letter: arms[letter]):
            self._draw_arm(letter)
        if behind:
            self._draw_head()
            self._draw_long_hair()

    def _breadth(self, wide: float, deep: float) -> float:
        """Returns half the breadth in pixels of a turned ellipse, given in heights."""
        turn = self.pose.facing
        return self.unit * float(np.hypot(wide * np.cos(turn), deep * np.sin(turn)))

    def _polygon(self, name: str, points: Float[np.ndarray, "P 2"]) -> None:
        fill = FIGURE_PARTS.index(name)
        self.brush.polygon([(x, y) for x, y in points.tolist()], fill=fill)

    def _ellipse(self, name: str, at: Place, across: float, down: float) -> None:
        """Fills an ellipse; half axes are in heights."""
        turned = np.stack([across * np.cos(_TURN), down * np.sin(_TURN)], axis=1)
        self._polygon(name, at + self.unit * turned)

    def _limb(self, name: str, start: Place, end: Place, thick: float, thin: float) -> None:
        """Fills a limb with round ends; half widths are in heights."""
        along = end - start
        side = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        first, last = side * thick * self.unit, side * thin * self.unit
        self._polygon(name, np.stack([start - first, end - last, end + last, start + first]))
        self._ellipse(name, start, thick, thick)
        self._ellipse(name, end, thin, thin)

    def _on_trunk(self, down: float, across: float) -> Place:
        """Places a point at a share of the way from neck to hips, `across` pixels off it."""
        neck = self.at[poses.NECK]
        return neck + down * (self.middle - neck) + np.array([across, 0.0])

    def _draw_shadow(self) -> None:
        feet = (self.at[poses.R_ANKLE] + self.at[poses.L_ANKLE]) / 2
        self._ellipse("shadow", feet + np.array([0.03, 0.045]) * self.unit, 0.19, 0.022)

    def _draw_trunk(self) -> None:
        """Draws neck, torso, and a skirt if there is one."""
        neck, chin = self.at[poses.NECK], self._head() + np.array([0, 0.05]) * self.unit
        self._limb("neck", chin, neck, 0.024, 0.03)
        edge = [(-0.02, 0.3), (0.03, 0.6), (0.09, 1.03), (0.3, 0.93)]
        points = [(down, share * self.broad) for down, share in edge]
        points += [(0.62, self.waist), (0.8, 0.95 * self.hip)]
        half = [self._on_trunk(down, -across) for down, across in points]
        other = [self._on_trunk(down, across) for down, across in points[::-1]]
        if self.cut.bottom in ("skirt", "dress"):
            self._draw_skirt()
        self._polygon("torso", np.stack(half + other))
        for shoulder in self.at[[poses.R_SHOULDER, poses.L_SHOULDER]]:
            self._ellipse("torso", shoulder, 0.03, 0.03)
        scoop = [self._on_trunk(-0.03, -0.036 * self.unit), self._on_trunk(0.14, 0.0),
                 self._on_trunk(-0.03, 0.036 * self.unit)]  # fmt: skip
        if np.cos(self.pose.facing) > 0:
            self._polygon("neck", np.stack(scoop))

    def _draw_hips(self) -> None:
        seat = [self._on_trunk(0.76, -0.93 * self.hip), self._on_trunk(1.1, -1.02 * self.hip),
                self._on_trunk(1.24, 0.0), self._on_trunk(1.1, 1.02 * self.hip),
                self._on_trunk(0.76, 0.93 * self.hip)]  # fmt: skip
        self._polygon("hips", np.stack(seat))

    def _draw_skirt(self) -> None:
        """Draws a skirt from the waist to the hem, wide enough for both legs."""
        knees = self.at[[poses.R_KNEE, poses.L_KNEE]]
        ankles = self.at[[poses.R_ANKLE, poses.L_ANKLE]]
        share = self.cut.hem
        legs = knees if share < 0.5 else knees + (share - 0.5) * 2 * (ankles - knees)
        y = self.middle[1] + share * 0.45 * self.unit
        pad = (0.045 + 0.03 * share) * self.unit
        left, right = float(legs[:, 0].min()) - pad, float(legs[:, 0].max()) + pad
        waist = [self._on_trunk(0.7, -0.9 * self.hip), self._on_trunk(1.0, -1.22 * self.hip)]
        back = [self._on_trunk(1.0, 1.22 * self.hip), self._on_trunk(0.7, 0.9 * self.hip)]
        left, right = min(left, float(waist[1][0])), max(right, float(back[0][0]))
        hem = [np.array([left, y]), np.array([(left + right) / 2, y + 0.012 * self.unit])]
        self._polygon("skirt", np.stack([*waist, *hem, np.array([right, y]), *back]))

    def _draw_arm(self, letter: str) -> None:
        """Draws an arm with its sleeve."""
        joints = (poses.R_SHOULDER, poses.R_ELBOW, poses.R_WRIST)
        if letter == "l":
            joints = (poses.L_SHOULDER, poses.L_ELBOW, poses.L_WRIST)
        shoulder, elbow, wrist = (self.at[joint] for joint in joints)
        more = 0.004 if self.cut.sleeves == "long" else 0.0
        along = wrist - elbow
        hand = wrist + along / max(float(np.hypot(*along)), 0.06 * self.unit) * 0.028 * self.unit
        self._limb(f"{letter}_hand", wrist, hand, 0.015, 0.018)
        self._limb(f"{letter}_forearm", elbow, wrist, 0.024 + more, 0.016 + more)
        self._limb(f"{letter}_upper_arm", shoulder, elbow, 0.03 + more, 0.024 + more)
        if self.cut.sleeves == "short":
            end = shoulder + 0.5 * (elbow - shoulder)
            self._limb(f"{letter}_sleeve", shoulder, end, 0.035, 0.036)

    def _draw_leg(self, letter: str) -> None:
        """Draws a leg with its shoe."""
        joints = (poses.R_HIP, poses.R_KNEE, poses.R_ANKLE)
        if letter == "l":
            joints = (poses.L_HIP, poses.L_KNEE, poses.L_ANKLE)
        hip, knee, ankle = (self.at[joint] for joint in joints)
        more = 0.006 if self.cut.bottom == "trousers" else 0.0
        outward = -0.3 if letter == "r" else 0.3
        aside = np.sin(self.pose.facing) + outward * np.cos(self.pose.facing)
        toe = ankle + np.array([0.06 * aside, 0.035]) * self.unit
        heel = ankle + np.array([-0.012 * aside, 0.03]) * self.unit
        self._limb(f"{letter}_shin", knee, ankle, 0.036 + more, 0.02 + 2 * more)
        self._limb(f"{letter}_shoe", heel, toe, 0.018, 0.015)
        self._ellipse(f"{letter}_shoe", ankle + np.array([0, 0.016]) * self.unit, 0.021, 0.018)
        self._limb(f"{letter}_thigh", hip, knee, 0.054 + more, 0.038 + more)

    def _head(self) -> Place:
        """Returns the middle of the head."""
        return (self.at[poses.R_EAR] + self.at[poses.L_EAR]) / 2

    def _draw_head(self) -> None:
        """Draws the head: the hair around it, the face where it is turned to the viewer."""
        head, turn = self._head(), self.pose.facing
        short = self.cut.hair in ("short", "bun")
        if self.cut.hair == "bun":
            bun = head + np.array([-0.04 * np.sin(turn), -0.078]) * self.unit
            self._ellipse("hair", bun, 0.028, 0.026)
        self._ellipse("hair", head, 0.053 if short else 0.06, 0.074)
        if np.cos(turn) < -0.3:
            return
        middle = head + np.array([0.021 * np.sin(turn), 0.006]) * self.unit
        self._ellipse("face", middle, 0.047, 0.065)
        for eye in (poses.R_EYE, poses.L_EYE):
            if self.pose.depths[eye] > 0.015 * self.unit:
                self._ellipse("eye", self.at[eye], 0.007, 0.0045)
        self._ellipse("nose", self.at[poses.NOSE] + np.array([0, 0.004]) * self.unit, 0.006, 0.009)
        lips = self.at[poses.NOSE] + np.array([-0.006 * np.sin(turn), 0.028]) * self.unit
        self._ellipse("mouth", lips, 0.016, 0.006)
        upper = np.linspace(-np.pi, 0, 17)
        cap = np.stack([0.056 * np.cos(upper), 0.08 * np.sin(upper) - 0.005], axis=1)
        low = np.array([[0.046, -0.01], [0.03, -0.042], [-0.02, -0.048], [-0.046, -0.01]])
        low[:, 0] += 0.012 * np.sin(turn)
        self._polygon("hair", head + self.unit * np.concatenate([cap, low]))

    def _draw_long_hair(self) -> None:
        """Draws hair that falls down to neck or back."""
        reach = {"bob": 0.075, "long": 0.19}.get(self.cut.hair)
        if reach is None:
            return
        back = np.array([-0.03 * np.sin(self.pose.facing), 0.0]) * self.unit
        corners = np.array([[-0.06, -0.02], [0.06, -0.02], [0.07, reach], [-0.07, reach]])
        self._polygon("hair", self._head() + back + self.unit * corners)
        self._ellipse("hair", self._head() + back + np.array([0, reach]) * self.unit, 0.07, 0.015)


def draw_figure(pose: Pose, cut: Cut, size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """Draws a figure.

    Args:
        pose: the pose, in the pixels of the map.
        cut: of clothes and hair.
        size: height and width of the map in pixels.

    Returns:
        (H, W) ids, indices into `FIGURE_PARTS`.
    """
    image = Image.new("L", (size[1], size[0]))
    FigureBrush(image, pose, cut).draw()
    return np.array(image)
