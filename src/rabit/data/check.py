"""Looks through a folder of pictures for everything that training would fail with."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from rabit.config import Kind
from rabit.data.checking.findings import PROBLEMS, WARNINGS, Finding, group_findings
from rabit.data.checking.folder import check_plain
from rabit.data.checking.listing import find_nested
from rabit.data.checking.records import Looked, Record, Run, T, count_pixels, find_unused
from rabit.data.checking.sources import check_source
from rabit.data.layouts.find import LAYOUTS, find_layout, open_source
from rabit.data.layouts.folder import choose_condition

__all__ = [
    "PROBLEMS",
    "WARNINGS",
    "ClassUse",
    "Finding",
    "Record",
    "Report",
    "check_folder",
    "group_findings",
]


@dataclass(frozen=True)
class ClassUse:
    """How much of a corpus a class covers.

    Args:
        name: of the class.
        share: of all pixels of all maps, in [0, 1].
        pictures: how many pictures it is in.
    """

    name: str
    share: float
    pictures: int


@dataclass(frozen=True)
class Report:
    """What a folder holds, and what is wrong with it.

    Args:
        root: the folder.
        layout: its layout; empty if none fits.
        kind: of the conditions; None if it is not known.
        channels: names of their channels.
        records: the pictures, in the order of their names.
        pairs: how many test items with a ground truth there are.
        sizes: heights and widths with the number of photographs of each, the most frequent first.
        classes: of semantic maps, by id.
        findings: problems first.
    """

    root: Path
    layout: str
    kind: Kind | None
    channels: tuple[str, ...]
    records: tuple[Record, ...]
    pairs: int
    sizes: tuple[tuple[tuple[int, int], int], ...]
    classes: tuple[ClassUse, ...]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What training fails with, or goes wrong with."""
        return tuple(finding for finding in self.findings if finding.fails)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What training goes well with, but should be known."""
        return tuple(finding for finding in self.findings if not finding.fails)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as what JSON can hold."""

        def plain(findings: Sequence[Finding]) -> list[dict[str, Any]]:
            return [
                {"kind": f.kind, "files": [str(file) for file in f.files], "text": f.text}
                for f in findings
            ]

        return {
            "folder": str(self.root),
            "layout": self.layout,
            "kind": self.kind,
            "usable": not self.problems,
            "pictures": len(self.records),
            "pairs": self.pairs,
            "sizes": [
                {"height": size[0], "width": size[1], "pictures": count}
                for size, count in self.sizes
            ],
            "classes": [
                {"id": i, "name": use.name, "share": use.share, "pictures": use.pictures}
                for i, use in enumerate(self.classes)
            ],
            "problems": plain(self.problems),
            "warnings": plain(self.warnings),
        }


def check_folder(
    root: str | Path,
    layout: str | None = None,
    condition: str | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Reads every file of a corpus to its end and reports whatever is wrong.

    Nothing is raised for what the folder holds: that becomes findings.

    Args:
        root: the folder.
        layout: a name in `LAYOUTS`; None finds out.
        condition: labels, edges, pose or canny; None for the layout's own.
        threads: how many files are read at a time; None for one a core.
        progress: called with the number of files, or of pictures, that are read and their total.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the layout or the condition is unknown, or there are less than one thread.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give the folder of a corpus")
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
    if threads is not None and threads < 1:
        raise ValueError(f"{threads} threads, expected 1 or more")
    known = {name for each in LAYOUTS.values() for name in each.conditions}
    if condition is not None and condition not in known:
        raise ValueError(f"condition {condition!r}: expected one of {', '.join(sorted(known))}")
    try:
        layout = find_layout(root, condition) if layout is None else layout
    except (OSError, ValueError) as error:
        finding = find_nested(root) or Finding("unknown-layout", (root,), str(error))
        return _report(root, "", None, (finding,))
    try:
        with _runner(threads, progress) as run:
            looked = _look(root, layout, condition, run)
    except (OSError, ValueError) as error:
        finding = Finding("cannot-open", (root,), str(error))
        return _report(root, layout, None, (finding,))
    return _report(root, layout, looked, looked.findings)


def _look(root: Path, layout: str, condition: str | None, run: Run) -> Looked:
    if layout != "folder":
        return check_source(open_source(root, layout, condition), run)
    for chosen in LAYOUTS["folder"].conditions:
        if chosen == condition:
            return check_plain(root, chosen, run)
    return check_plain(root, choose_condition(root), run)


def _report(root: Path, layout: str, looked: Looked | None, findings: Sequence[Finding]) -> Report:
    if looked is None:
        return Report(root, layout, None, (), (), 0, (), (), tuple(findings))
    found = list(findings)
    classes: tuple[ClassUse, ...] = ()
    if looked.kind == "semantic" and looked.channels:
        pixels, pictures = count_pixels(looked.records, len(looked.channels))
        found += find_unused(root, looked.channels, pictures.tolist())
        total = max(int(pixels.sum()), 1)
        classes = tuple(
            ClassUse(name, count / total, seen)
            for name, count, seen in zip(
                looked.channels, pixels.tolist(), pictures.tolist(), strict=True
            )
        )
    sizes = Counter(r.photo.size for r in looked.records if r.photo.size is not None)
    return Report(
        root=root,
        layout=layout,
        kind=looked.kind,
        channels=looked.channels,
        records=looked.records,
        pairs=looked.pairs,
        sizes=tuple(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        classes=classes,
        findings=tuple(sorted(found, key=lambda finding: (not finding.fails, finding.files))),
    )


@contextmanager
def _runner(threads: int | None, progress: Callable[[int, int], None] | None) -> Iterator[Run]:
    """Gives what reads many files at a time; when it is interrupted, the rest is not read.

    Decoders set and restore the process' filters of warnings, each thread for itself. Here the
    filters are first made those that decoders set, so that whichever thread restores them last
    changes nothing.
    """
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1)

    def run(tasks: Sequence[Callable[[], T]]) -> list[T]:
        results = []
        for result in pool.map(lambda task: task(), tasks):
            results.append(result)
            if progress is not None:
                progress(len(results), len(tasks))
        return results

    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield run
        finally:
            pool.shutdown(cancel_futures=True)
