"""Photographs with poses: the joints of one person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from rabit.data.batch import PictureCondition
from rabit.data.images import read_image
from rabit.data.joints import JOINTS, LIMBS, Joints
from rabit.data.pose_drawing import draw_pose, limb_regions
from rabit.data.pose_files import read_joints, write_joints_json, write_joints_text
from rabit.data.transforms import View

__all__ = [
    "JOINTS",
    "LIMBS",
    "POSE_CHANNELS",
    "REGION_RADIUS",
    "Joints",
    "PosePicture",
    "draw_pose",
    "limb_regions",
    "read_joints",
    "read_pose",
    "write_joints_json",
    "write_joints_text",
]

POSE_CHANNELS = (
    "red",
    "green",
    "blue",
    *(f"{JOINTS[start]} to {JOINTS[end]}" for start, end in LIMBS),
)
"""The 20 channels of a pose: the skeleton's colours, and the distance to each limb."""

REGION_RADIUS = 1 / 16
"""How far from a limb its region reaches, as a share of the picture's height."""


@dataclass(frozen=True)
class PosePicture:
    """A photograph and the joints of the person in it.

    Args:
        pixels: (H, W, 3) the photograph.
        joints: in the photograph's own pixels.

    Raises:
        ValueError: a joint lies far outside the photograph.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    joints: Joints

    def __post_init__(self) -> None:
        self.joints.check_inside(self.size)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the photograph in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def image(self, view: View) -> UInt8[np.ndarray, "h w 3"]:
        """Returns the photograph in a view."""
        return view.image(self.pixels)

    def condition(self, view: View) -> PictureCondition:
        """Returns the pose in a view: drawn at the size of the resized photograph, then cropped.

        A mirrored view is that of a mirrored person, who has left and right joints exchanged.
        """
        joints = self.joints.scaled(self.size, view.scaled)
        (top, left), (height, width) = view.corner, view.size
        if view.flip:
            joints = joints.mirrored(view.scaled[1])
            left = view.scaled[1] - left - width
        channels = draw_pose(joints, view.scaled)
        regions = limb_regions(joints, view.scaled, REGION_RADIUS * view.scaled[0])
        crop = (slice(top, top + height), slice(left, left + width))
        return PictureCondition(
            regions=torch.from_numpy(np.ascontiguousarray(regions[crop])),
            channels=torch.from_numpy(np.ascontiguousarray(channels[:, crop[0], crop[1]])),
        )


def read_pose(image: Path, pose: Path) -> PosePicture:
    """Reads a photograph and its pose.

    Args:
        image: the photograph.
        pose: its joints, see `read_joints`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be used, or the pose does not fit the photograph.
    """
    pixels, joints = read_image(image), read_joints(pose)
    try:
        return PosePicture(pixels, joints)
    except ValueError as error:
        raise ValueError(f"{pose}: {error}") from error
