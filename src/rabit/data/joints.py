"""The joints of a person and the limbs between them, in OpenPose's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

JOINTS = (
    "nose",
    "neck",
    "right shoulder",
    "right elbow",
    "right wrist",
    "left shoulder",
    "left elbow",
    "left wrist",
    "right hip",
    "right knee",
    "right ankle",
    "left hip",
    "left knee",
    "left ankle",
    "right eye",
    "left eye",
    "right ear",
    "left ear",
)
"""The 18 joints, left and right as the person has them."""

LIMBS = (
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
)
"""The two joints that each of the 17 limbs goes between."""

# The joint on the other side of the body.
_OPPOSITE = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)


@dataclass(frozen=True)
class Joints:
    """Where the joints of one person are in a picture.

    Args:
        places: (18, 2) x and y in pixels, a pixel's centre at its integer coordinate; of joints
            that are not seen anything.
        seen: (18,) which joints are known.

    Raises:
        ValueError: a shape is another, or a seen joint's place is not finite.
    """

    places: Float64[np.ndarray, "18 2"]
    seen: Bool[np.ndarray, "18"]

    def __post_init__(self) -> None:
        count = len(JOINTS)
        if self.places.shape != (count, 2) or self.seen.shape != (count,):
            raise ValueError(
                f"joints of places {self.places.shape} and seen {self.seen.shape}, expected "
                f"({count}, 2) and ({count},)"
            )
        for joint in np.flatnonzero(self.seen):
            if not np.isfinite(self.places[joint]).all():
                x, y = self.places[joint]
                raise ValueError(f"joint {JOINTS[joint]} lies at ({x}, {y}), expected pixels")

    @classmethod
    def none(cls) -> Joints:
        """Nobody: no joint is seen."""
        return cls(np.zeros((len(JOINTS), 2)), np.zeros(len(JOINTS), bool))

    def scaled(self, source: tuple[int, int], target: tuple[int, int]) -> Joints:
        """Returns the joints in the picture resized, its corners kept in place.

        Args:
            source: height and width of the picture.
            target: height and width that it is resized to.
        """
        factor = np.array([target[1] / source[1], target[0] / source[0]])
        return Joints((self.places + 0.5) * factor - 0.5, self.seen)

    def mirrored(self, width: int) -> Joints:
        """Returns the joints in the picture mirrored, left and right joints exchanged.

        Args:
            width: of the picture, in pixels.
        """
        places = self.places[list(_OPPOSITE)]
        return Joints(
            np.stack([width - 1 - places[:, 0], places[:, 1]], axis=1), self.seen[list(_OPPOSITE)]
        )

    def check_inside(self, size: tuple[int, int], slack: float = 0.0) -> None:
        """Checks that the joints may belong to a picture.

        Args:
            size: its height and width. A joint may be cut off, but no further away than the
                picture is high or wide.
            slack: pixels that a joint may be further away.

        Raises:
            ValueError: a seen joint lies further outside; mostly the picture is another one, or
                was resized.
        """
        limits = np.array([size[1], size[0]])
        beyond = (self.places < -limits - slack) | (self.places > 2 * limits + slack)
        far = self.seen & beyond.any(axis=1)
        for joint in np.flatnonzero(far):
            x, y = self.places[joint]
            raise ValueError(
                f"joint {JOINTS[joint]} lies at ({x:g}, {y:g}), far outside the picture of "
                f"{size[1]}×{size[0]} pixels; give joints in pixels of this picture"
            )
