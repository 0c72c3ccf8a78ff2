"""References for the pictures of any folder: those whose perceptual features are most alike."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from rabit.data.contact import sheet_font
from rabit.data.feature_cache import Settings
from rabit.data.images import IMAGE_SUFFIXES, read_image, to_tensor
from rabit.data.layouts.find import open_source
from rabit.data.listing import list_images
from rabit.data.neighbours import nearest
from rabit.data.pictures import grid
from rabit.data.shards.source import ShardSource
from rabit.data.source import Split
from rabit.data.text import relative_name

COUNT = 10
"""How many references a picture gets."""

SIDE = 224
"""Height and width that pictures are stretched to before they are described, in pixels."""

CELLS = 2
"""Side of the grid of means that a picture is described by."""

# Every batch is filled up to this size, so that a picture's features do not depend on which others
# are computed with it.
_BATCH = 16
_TILE, _CAPTION, _LETTERS = 128, 14, 11

References = tuple[tuple[int, ...], ...]


class Network(Protocol):
    """A feature network with named layers, the deepest last."""

    label: str
    names: tuple[str, ...]

    def __call__(self, images: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Returns (B, C, h, w) activations of images (B, 3, H, W) in [-1, 1] by layer."""

    def parameters(self) -> Iterator[Tensor]:
        """Returns the weights."""


class Descriptor:
    """Describes pictures by the means of a network's deepest layer in the cells of a 2×2 grid.

    The peers compare all positions of VGG-19's pool5. The means of relu5_4 (relu5_1 of a network
    that ends there) say the same things roughly in the same place with 49 times fewer numbers: 512
    for the small networks and 2048 for VGG-19, few enough to compare 50,000 pictures exactly.

    Args:
        network: moved to the device and in evaluation mode.
        device: what it computes on.
    """

    def __init__(self, network: Network, device: torch.device | str = "cpu") -> None:
        self.network = network
        self.layer = network.names[-1]
        self.device = torch.device(device)

    @property
    def settings(self) -> Settings:
        """What the features depend on."""
        digest = hashlib.sha256()
        for weights in self.network.parameters():
            digest.update(weights.detach().cpu().numpy().tobytes())
        return {
            "network": self.network.label,
            "weights": digest.hexdigest()[:16],
            "layer": self.layer,
            "pixels": [SIDE, SIDE],
            "cells": [CELLS, CELLS],
        }

    def __call__(self, paths: Sequence[Path]) -> Float32[np.ndarray, "N D"]:
        """Returns the features of photographs, (N, C·2·2) float32.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is no photograph; it is named.
        """
        parts = []
        for start in range(0, len(paths), _BATCH):
            read = [to_tensor(read_image(p, (SIDE, SIDE))) for p in paths[start : start + _BATCH]]
            images = torch.zeros(_BATCH, 3, SIDE, SIDE)
            images[: len(read)] = torch.stack(read)
            with torch.no_grad():
                answer = self.network(images.to(self.device), (self.layer,))[self.layer]
            means = F.adaptive_avg_pool2d(answer[: len(read)], CELLS).flatten(1)
            parts.append(means.float().cpu().numpy())
        return np.concatenate(parts)


@dataclass(frozen=True)
class PictureList:
    """The photographs of a folder.

    Args:
        names: as a list of references spells them.
        paths: of the photographs.
        split: which train and which test; None if the folder does not say.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    split: Split | None = None


def list_pictures(
    root: Path, layout: str | None = None, condition: str | None = None
) -> PictureList:
    """Lists the photographs of a corpus, or of a folder that has nothing but photographs.

    Args:
        root: a folder in a known layout; or with photographs in it or in its images/.
        layout: which layout; None finds out.
        condition: of the layout's; None for its own.

    Raises:
        FileNotFoundError: the folder, or a file that its layout needs, is missing.
        ValueError: the folder is in none of the layouts, holds shards, has no two pictures to
            refer to, or has a name that cannot stand in a list.
    """
    alone = None if layout or condition else _photographs_alone(root)
    if alone is not None:
        paths = tuple(list_images(alone).values())
        pictures = PictureList(tuple(path.name for path in paths), paths)
    else:
        source = open_source(root, layout, condition)
        if isinstance(source, ShardSource):
            raise ValueError(
                f"{root}: holds shards, which keep the references of the folder that they were "
                "written from; run rabit data pairs on that folder, then write the shards again"
            )
        paths = tuple(source.files(i)[0] for i in range(len(source)))
        pictures = PictureList(source.names, paths, source.split)
    candidates = pictures.names if pictures.split is None else pictures.split.train
    if len(candidates) < 2:
        side = "pictures" if pictures.split is None else "training pictures"
        raise ValueError(f"{root}: {len(candidates)} {side} to refer to, expected 2 or more")
    for name, path in zip(pictures.names, pictures.paths, strict=True):
        if name != name.strip() or name != relative_name(name, str(path)):
            raise ValueError(f"{path}: a list of references cannot hold this name; rename the file")
    return pictures


def _photographs_alone(root: Path) -> Path | None:
    """Finds the folder of photographs where there is nothing else; None where there is."""
    if not root.is_dir() or any((root / x).exists() for x in ("labels", "edges", "pose")):
        return None
    images = root / "images"
    folder = images if images.is_dir() else root
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if any(entry.is_dir() for entry in entries):
        return None
    stems = [entry.stem for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES]
    # Two of one stem are a photograph with its map.
    return folder if stems and len(set(stems)) == len(stems) else None


def find_references(
    features: Float32[np.ndarray, "N D"],
    split: Split | None,
    count: int = COUNT,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> References:
    """Chooses the references of each picture, best first, by the cosine of the features.

    Args:
        features: of all pictures.
        split: if given, all references come from the training side.
        count: most references a picture.
        device: where products are computed.
        progress: told how many of how many pictures are done.

    Returns:
        Indices of the references for each picture, itself left out.

    Raises:
        ValueError: the count is below 1, or there is no other picture to refer to.
    """
    total = len(features)
    train = range(total) if split is None else split.train
    others = sorted(set(range(total)) - set(train))
    found: dict[int, tuple[int, ...]] = {}

    def tell(done: int, _: int) -> None:
        if progress is not None:
            progress(len(found) + done, total)

    for queries in (train, others):
        if queries:
            rows = nearest(features, count, queries, train, device, tell).tolist()
            found |= {key: tuple(row) for key, row in zip(queries, rows, strict=True)}
    return tuple(found[i] for i in range(total))


def references_text(names: Sequence[str], references: References) -> str:
    """Spells a list of references as `read_references` reads it: rows `key,ref1,ref2,…`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for name, row in zip(names, references, strict=True):
        writer.writerow([name, *(names[i] for i in row)])
    return stream.getvalue()


def contact_sheet(
    pictures: PictureList, references: References, seed: int = 0, rows: int = 8
) -> UInt8[np.ndarray, "H W 3"]:
    """Shows some pictures beside their references, best first, with their names.

    Args:
        pictures: the photographs.
        references: of each.
        seed: of the choice, 0 or more.
        rows: how many pictures to show.

    Returns:
        One picture, 8 rows of at most 11 tiles.
    """
    chosen = np.random.default_rng(seed).permutation(len(references))[:rows]
    shown = [[key, *references[key][:COUNT]] for key in sorted(chosen.tolist())]
    titles = ["picture", *(f"reference {i}" for i in range(1, max(map(len, shown))))]
    return grid([[_tile(pictures, index) for index in row] for row in shown], titles)


def _tile(pictures: PictureList, index: int) -> UInt8[np.ndarray, "H W 3"]:
    """A picture at its own aspect ratio with its name, or the end of it, below."""
    photograph = Image.fromarray(read_image(pictures.paths[index]))
    photograph.thumbnail((_TILE, _TILE), Image.Resampling.BILINEAR)
    tile = Image.new("RGB", (_TILE, _TILE + _CAPTION), "white")
    tile.paste(photograph, ((_TILE - photograph.width) // 2, (_TILE - photograph.height) // 2))
    draw, font = ImageDraw.Draw(tile), sheet_font(_LETTERS)
    name = caption = pictures.names[index]
    while draw.textlength(caption, font) > _TILE:
        name = name[1:]
        caption = f"…{name}"
    draw.text((0, _TILE), caption, fill="black", font=font)
    return np.asarray(tile)
