"""What tests of shards share: pictures in memory, and the comparison of samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rabit.config import Kind
from rabit.data.batch import Sample
from rabit.data.source import Picture, Source


class ArraySource(Source):
    """Pictures in memory."""

    def __init__(
        self, root: Path, kind: Kind, channels: int, pictures: Sequence[Picture], **options: Any
    ) -> None:
        names = [f"img/person {i}/0{i}.front.png" for i in range(len(pictures))]
        super().__init__(root, kind, [f"channel {i}" for i in range(channels)], names, **options)
        self._pictures = pictures

    def load(self, index: int) -> Picture:
        return self._pictures[index]

    def files(self, index: int) -> tuple[Path, ...]:
        return (self.root / self.names[index],)


def assert_same_samples(first: Iterable[Sample], second: Iterable[Sample]) -> None:
    """Checks that samples are equal in every number."""
    for one, other in zip(first, second, strict=True):
        assert_same(one, other)


def assert_same(one: Any, other: Any) -> None:
    """Checks that two dataclasses of arrays are equal, and of the same types."""
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif torch.is_tensor(one):
        assert one.dtype == other.dtype and torch.equal(one, other)
    else:
        assert one == other
