"""Generated street scenes: layouts, styles, and the truth of every translation between them."""

from __future__ import annotations

from rabit.data.scenes.canvas import CLASSES
from rabit.data.scenes.coordinates import region_coordinates, true_correspondence
from rabit.data.scenes.corpus import SceneExemplar, Scenes
from rabit.data.scenes.files import write_scenes
from rabit.data.scenes.layout import sample_layout
from rabit.data.scenes.style import Style, render, sample_style

__all__ = [
    "CLASSES",
    "SceneExemplar",
    "Scenes",
    "Style",
    "region_coordinates",
    "render",
    "sample_layout",
    "sample_style",
    "true_correspondence",
    "write_scenes",
]
