"""What a check of a corpus can find."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WARNINGS = {
    "duplicate": "one photograph under several names",
    "joints-outside": "some joints outside the photograph",
    "no-drawing": "a drawing that looks like a photograph",
    "no-joint-seen": "a pose without any joint",
    "no-line-seen": "a drawing without any line",
    "numbered-classes": "a list of classes whose numbers are not read as ids",
    "odd-size": "a size that few photographs have",
    "small": "a photograph that training would enlarge much",
    "stray": "a file that is not read",
    "thin": "a photograph that is a strip",
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
    "mixed-palettes": "palette maps whose numbers mean other classes from file to file",
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


def group_findings(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], ...]:
    """Puts together findings of one kind with one cause: their texts differ in the files alone.

    Args:
        findings: in any order.

    Returns:
        The groups in the order of their first finding, each in the order given.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, _cause(finding)), []).append(finding)
    return tuple(map(tuple, groups.values()))


def _cause(finding: Finding) -> str:
    """The text without the names of its files, nor those of their partners, which share stems."""
    text = finding.text
    for file in finding.files:
        text = text.replace(str(file), "…")
    for file in finding.files:
        text = re.sub(rf"(?<![\w.]){re.escape(file.stem)}(?=[._]\w)", "…", text)
    return text
