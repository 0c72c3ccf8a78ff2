"""The pictures of a study under opaque names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rabit.study.files import KeyPicture, Picture, ShownItem
from rabit.study.items import Item
from rabit.study.manifest import Manifest
from rabit.study.pictures import common_size, is_number_map, load_picture, png_bytes, resized
from rabit.writing import naming


class Names:
    """Draws opaque ids, all different.

    Args:
        rng: of the draws.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.used: set[str] = set()

    def draw(self) -> str:
        """Returns a new id of 16 hexadecimal digits."""
        while (name := self.rng.bytes(8).hex()) in self.used:
            pass
        self.used.add(name)
        return name


class Album:
    """Writes pictures under opaque names and remembers what they are.

    Args:
        folder: to write them to.
        rng: of the names.
        target: the folder that they end in, which errors name.
    """

    def __init__(self, folder: Path, rng: np.random.Generator, target: Path) -> None:
        self.folder, self.target = folder, target
        self.names = Names(rng)
        self.pictures: list[Picture] = []
        self.key: list[KeyPicture] = []
        self.notes: list[str] = []
        folder.mkdir(parents=True)

    def add(self, image: Image.Image, item: str, role: str, method: str = "") -> str:
        """Writes a picture and returns its id.

        Raises:
            WriteError: it could not be written.
        """
        name = self.names.draw()
        data = png_bytes(image)
        with naming(self.target / f"{name}.png"):
            (self.folder / f"{name}.png").write_bytes(data)
        self.pictures.append(Picture(name, image.width, image.height))
        self.key.append(KeyPicture(name, item, role, method))
        return name


@dataclass(frozen=True)
class Laid:
    """An item whose pictures are in the album, and the ids of its results, by method."""

    shown: ShownItem
    results: tuple[str, ...]


def lay_item(item: Item, manifest: Manifest, album: Album) -> Laid:
    """Puts an item's pictures into the album.

    Args:
        item: whose.
        manifest: of the study.
        album: to put them into; it is told if the condition is not for looking at.

    Raises:
        ValueError: a picture is damaged, or the sizes tell methods apart.
    """
    condition = load_picture(item.condition)
    if is_number_map(condition) and not album.notes:
        album.notes.append(
            f"{item.condition} is almost black, as a map of class numbers is; give conditions that "
            "can be looked at, such as coloured maps"
        )
    results = read_results(item, manifest)
    return Laid(
        ShownItem(
            album.names.draw(),
            album.add(condition, item.name, "condition"),
            album.add(load_picture(item.exemplar), item.name, "exemplar"),
        ),
        tuple(
            album.add(image, item.name, "result", method.name)
            for image, method in zip(results, manifest.methods, strict=True)
        ),
    )


def read_results(item: Item, manifest: Manifest) -> list[Image.Image]:
    """Reads the methods' pictures of an item, which must not be told apart by their size.

    Args:
        item: whose.
        manifest: of the study; it says whether they may be resized.

    Returns:
        One a method, all of one size.

    Raises:
        ValueError: a picture is damaged, or the sizes differ and may not be changed.
    """
    images = [load_picture(path) for path in item.results]
    sizes = [image.size for image in images]
    if len(set(sizes)) == 1:
        return images
    if not manifest.resize:
        other = next(i for i, size in enumerate(sizes) if size != sizes[0])
        raise ValueError(
            f"item {item.name}: {manifest.methods[0].name} has {sizes[0][0]}x{sizes[0][1]} pixels "
            f"and {manifest.methods[other].name} {sizes[other][0]}x{sizes[other][1]}; raters could "
            "tell them by that: make them alike, or let --resize do it"
        )
    try:
        size = common_size(images)
    except ValueError as error:
        raise ValueError(f"item {item.name}: {error}") from error
    return [resized(image, size) for image in images]
