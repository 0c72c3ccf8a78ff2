"""The figures that the paper publishes in its Tables 1 to 5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedTable:
    """One of the paper's tables, on one data set.

    Args:
        number: of the table.
        part: translation or manipulation.
        data: what it was measured on.
        columns: the paper's names of the figures.
        rows: figures by method, in the columns' order; None where the paper has none.
    """

    number: int
    part: str
    data: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]


_QUALITY = ("FID", "SWD", "LPIPS")
_CONSISTENCY = ("VGG_42", "VGG_52", "VGG_M", "VGG_V")
_TASKS = ("ADE20K", "CelebA-HQ (semantic)", "DeepFashion", "CelebA-HQ (edge)")

# A row of Table 1: three figures a task, in the order of the tasks.
_TABLE_1: dict[str, tuple[tuple[float | None, ...], ...]] = {
    "Pix2pixHD": (
        (81.80, 35.70, None),
        (43.69, 34.82, None),
        (25.20, 16.40, None),
        (42.70, 33.30, None),
    ),
    "StarGAN v2": (
        (98.72, 65.47, 0.551),
        (53.20, 41.87, 0.324),
        (43.29, 30.87, 0.296),
        (48.63, 41.96, 0.214),
    ),
    "SPADE": (
        (33.90, 19.70, 0.344),
        (39.17, 29.78, 0.254),
        (36.20, 27.80, 0.231),
        (31.50, 26.90, 0.207),
    ),
    "SelectionGAN": (
        (35.10, 21.82, 0.382),
        (42.41, 30.32, 0.277),
        (38.31, 28.21, 0.223),
        (34.67, 27.34, 0.191),
    ),
    "SMIS": (
        (42.17, 22.67, 0.476),
        (28.21, 24.65, 0.301),
        (22.23, 23.73, 0.240),
        (23.71, 22.23, 0.201),
    ),
    "SEAN": (
        (24.84, 10.42, 0.499),
        (17.66, 14.13, 0.285),
        (16.28, 17.52, 0.251),
        (16.84, 14.94, 0.203),
    ),
    "CoCosNet": (
        (26.40, 10.50, 0.580),
        (21.83, 12.13, 0.292),
        (14.40, 17.20, 0.272),
        (14.30, 15.30, 0.208),
    ),
    "CoCosNet v2": (
        (25.20, 9.900, 0.557),
        (20.64, 11.21, 0.303),
        (13.04, 16.65, 0.270),
        (13.21, 14.01, 0.216),
    ),
    "RABIT": (
        (24.35, 9.893, 0.571),
        (20.44, 11.18, 0.307),
        (12.58, 16.03, 0.284),
        (11.67, 14.22, 0.219),
    ),
}

PUBLISHED = (
    *(
        PublishedTable(
            1,
            "translation",
            task,
            _QUALITY,
            {method: figures[number] for method, figures in _TABLE_1.items()},
        )
        for number, task in enumerate(_TASKS)
    ),
    PublishedTable(
        2,
        "translation",
        "ADE20K",
        _CONSISTENCY,
        {
            "SPADE": (0.861, 0.772, 0.934, 0.884),
            "StarGAN v2": (0.741, 0.718, 0.919, 0.907),
            "SelectionGAN": (0.843, 0.785, 0.951, 0.912),
            "SMIS": (0.862, 0.787, 0.951, 0.933),
            "SEAN": (0.868, 0.791, 0.962, 0.942),
            "CoCosNet": (0.878, 0.790, 0.986, 0.965),
            "CoCosNet v2": (0.889, 0.800, 0.994, 0.972),
            "RABIT": (0.891, 0.812, 0.993, 0.977),
        },
    ),
    PublishedTable(
        3,
        "manipulation",
        "ADE20K",
        ("FID", "SWD", "PSNR", "SSIM"),
        {
            "SPADE": (120.2, 41.62, 13.11, 0.334),
            "HIM": (59.89, 22.23, 18.23, 0.667),
            "SESAME": (52.51, 29.40, 18.67, 0.691),
            "CoCosNet": (41.03, 23.08, 20.30, 0.744),
            "CoCosNet v2": (34.31, 19.55, 21.75, 0.797),
            "RABIT": (26.61, 15.05, 23.08, 0.823),
        },
    ),
    PublishedTable(
        4,
        "manipulation",
        "CelebA-HQ (semantic)",
        ("FID", "SWD", "LPIPS"),
        {
            "SPADE": (105.1, 41.90, 0.376),
            "SEAN": (96.31, 35.90, 0.351),
            "MaskGAN": (80.89, 23.86, 0.271),
            "CoCosNet": (68.70, 22.90, 0.224),
            "CoCosNet v2": (62.53, 21.11, 0.190),
            "RABIT": (60.87, 21.07, 0.176),
        },
    ),
    PublishedTable(
        5,
        "manipulation",
        "ADE20K",
        _CONSISTENCY,
        {
            "SPADE": (0.853, 0.766, 0.929, 0.876),
            "HIM": (0.865, 0.773, 0.934, 0.884),
            "SESAME": (0.870, 0.779, 0.969, 0.947),
            "CoCosNet": (0.878, 0.790, 0.986, 0.965),
            "CoCosNet v2": (0.889, 0.804, 0.985, 0.967),
            "RABIT": (0.889, 0.802, 0.992, 0.975),
        },
    ),
)
"""Tables 1 (its four tasks apart) to 5, with the paper's references left out of the names."""
