"""What a check of a corpus can find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WARNINGS = {
    "duplicate": "one photograph under several names",
    "joints-outside": "some joints outside the photograph",
    "no-drawing": "a drawing that looks like a photograph",
    "no-joint-seen": "a pose without any joint",
    "no-line-seen": "a drawing without any line",
    "odd-size": "a size that few photographs have",
    "small": "a photograph that training would enlarge much",
    "stray": "a file that is not read",
    "transparent-photograph": "a photograph with transparent places",
    "unused-class": "classes that no map has",
}
"""Kinds of findings that training goes well with, and what they are."""

PROBLEMS = {
    "bad-classes": "no usable list of classes",
    "bad-joints": "a file of joints that cannot be read",
    "bad-name": "a file name that no list can have",
    "bad-pairs": "a row of pairs.csv that cannot be used",
    "bad-references": "a row of a list of references that cannot be used",
    "bad-split": "a list of what trains or tests that cannot be used",
    "cannot-open": "a corpus that its layout's reader refuses",
    "coloured-map": "a map with colours instead of ids",
    "damaged": "a picture that breaks off or is broken",
    "empty-file": "a file without content",
    "joints-elsewhere": "no joint inside the photograph",
    "lossy-map": "a map whose ids its format may change",
    "missing-folder": "a folder that the layout has",
    "nested": "a corpus one folder deeper",
    "no-joints": "a photograph or a list without its file of joints",
    "no-map": "a photograph without a map",
    "no-photograph": "a map or joints without a photograph",
    "not-an-image": "a file that is no picture",
    "rotated-photograph": "a photograph that its camera's note turns, unlike its map",
    "same-stem": "two files of one stem",
    "size-mismatch": "a map of another size than its photograph",
    "swapped-pair": "two photographs that fit each other's maps",
    "too-few": "too few photographs to train on",
    "too-large": "a picture with too many pixels",
    "transparent-map": "a map with transparency",
    "unknown-ids": "ids that are no class",
    "unknown-layout": "a folder that is no corpus",
    "unreadable": "a file that the system does not let us read",
    "unusable": "a picture that cannot be used",
}
"""Kinds of findings that training fails with, or goes wrong, and what they are."""


@dataclass(frozen=True)
class Finding:
    """Something that a user should know of.

    Args:
        kind: one of `PROBLEMS` or `WARNINGS`.
        files: what it is about, at least one file or folder.
        text: the files, what was found, and what to do.
    """

    kind: str
    files: tuple[Path, ...]
    text: str

    def __post_init__(self) -> None:
        assert self.kind in PROBLEMS or self.kind in WARNINGS, self.kind

    @property
    def fails(self) -> bool:
        """Whether training fails or goes wrong with it."""
        return self.kind in PROBLEMS
