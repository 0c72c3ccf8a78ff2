"""What options mean: sizes, devices and overrides of configuration fields."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

import torch

from rabit.config import FITS, ExperimentConfig, Fit
from rabit.data.decoding import check_pixels
from rabit.fields import check_choice, from_dict, set_field, to_dict
from rabit.precision import PRECISIONS, Precision


def parse_size(text: str) -> tuple[int, int]:
    """Reads a size: one number for both sides, or HEIGHTxWIDTH.

    Raises:
        ValueError: it is neither, or more than MAX_PIXELS.
    """
    match = re.fullmatch(r"(\d{1,5})(?:[xX×](\d{1,5}))?", text.strip())
    if match is None or int(match[1]) == 0 or (match[2] is not None and int(match[2]) == 0):
        raise ValueError(f"--size {text}: expected pixels such as 128, or HEIGHTxWIDTH as 128x192")
    height = int(match[1])
    width = int(match[2]) if match[2] else height
    check_pixels((height, width), f"--size {text}", "picture")
    return height, width


def parse_fit(text: str) -> Fit:
    """Reads how pictures of another shape are brought to a size.

    Raises:
        ValueError: it is none of FITS.
    """
    check_choice("--fit", text, FITS)
    return cast("Fit", text)


def parse_sides(flag: str, text: str | None) -> tuple[int, ...] | None:
    """Reads a list of sides such as 64,128, ascending; None stays None.

    Raises:
        ValueError: the text is no list of whole numbers.
    """
    if text is None:
        return None
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise ValueError(f"{flag} {text}: expected whole numbers such as 64,128") from error


def pick_precision(name: str) -> Precision:
    """Returns a precision that translators know.

    Raises:
        ValueError: they know no such precision.
    """
    check_choice("--precision", name, PRECISIONS)
    return cast(Precision, name)


def pick_device(name: str) -> torch.device:
    """Returns a device that is there.

    Raises:
        ValueError: it is neither cpu nor cuda, or that GPU is not there.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"--device {name}: expected cpu or cuda")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"--device {name}: this PyTorch ({torch.__version__}) finds no CUDA device; use "
            "--device cpu"
        )
    device = torch.device(name)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise ValueError(
            f"--device {name}: expected cuda:0 to cuda:{torch.cuda.device_count() - 1}, the GPUs "
            "that PyTorch finds"
        )
    return device


def override(config: ExperimentConfig, assignments: Sequence[str]) -> ExperimentConfig:
    """Returns a configuration with some fields replaced.

    Args:
        config: where to start.
        assignments: `section.field=value` each; the value is JSON, or else a string.

    Raises:
        ValueError: an assignment has no `=`, or names an unknown field or a wrong value.
    """
    data = to_dict(config)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ValueError(
                f"--set {assignment}: expected section.field=value, such as train.ema=0.99"
            )
        try:
            set_field(data, path, _value(text))
        except ValueError as error:
            raise ValueError(f"--set {assignment}: {error}") from error
    return from_dict(ExperimentConfig, data) if assignments else config


def _value(text: str) -> Any:
    """Reads JSON; what is no JSON is a string."""
    try:
        return json.loads(text)
    except ValueError:
        return text
