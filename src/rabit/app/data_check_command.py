"""`rabit data check`: what a folder holds, and everything that is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rabit.app.arguments import Overwrite
from rabit.app.corpus_arguments import ConditionKind, Layout
from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.data.check import Finding, Report, check_folder, group_findings
from rabit.data.checking.shapes import count_oblong, usual_shape
from rabit.data.contact import contact_sheet, is_sheet, sheet_bytes
from rabit.writing import WriteError, check_target, write_files

# One in so many pictures is worth advice.
_OBLONG = 10
_SIZES = 5
# Of one kind of findings so many causes are printed, and of one cause so many files.
_CAUSES = 10
_NAMED = 3
_CLASSES = 40
_MOST = 1000


def data_check_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a corpus.")],
    layout: Layout = None,
    condition: ConditionKind = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="PNG file for the contact sheet. [default: FOLDER-check.png here, or "
            "beside FOLDER where this is in it]",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON file for all that was found.")
    ] = None,
    count: Annotated[int, typer.Option(help="Most pictures on the contact sheet.")] = 24,
    seed: Annotated[int, typer.Option(help="Seed of which pictures the sheet shows.")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Files read at a time; one a core if left out.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Say what is wrong with FOLDER before training does.

    Every file is read to its end. What training would fail with is a problem, and the exit code is
    then 1; what may be meant as it is is a warning. The contact sheet shows some of the
    photographs, each beside its condition. That of an earlier check is replaced; where another
    file has its name, there is none. Nothing is written into FOLDER.
    """
    sheet = _default_sheet(folder) if out is None else out
    _check_outputs(folder, sheet, json_file, overwrite)
    hindrance = _hindrance(sheet, out is not None, overwrite)
    if not 1 <= count <= _MOST:
        raise ValueError(f"--count {count}: expected 1 to {_MOST}")
    if seed < 0:
        raise ValueError(f"--seed {seed}: expected 0 or more")
    with Bar("files") as bar:
        report = check_folder(folder, layout, condition, threads, bar)
    files: dict[Path, bytes] = {}
    if report.records and hindrance is None:
        files[sheet] = sheet_bytes(contact_sheet(report, count, seed))
    if json_file is not None:
        files[json_file] = (json.dumps(report.to_dict(), indent=2) + "\n").encode()
    if files:
        write_files(files, overwrite or all(is_sheet(path) for path in files if path.exists()))
    print_report(report, Console())
    for path in files:
        note(f"written: {path}")
    if report.records and hindrance is not None:
        note(f"no contact sheet: {hindrance}")
    if report.problems:
        raise typer.Exit(1)


def print_report(report: Report, console: Console) -> None:
    """Prints what a folder holds and what was found."""
    kind = {"semantic": "semantic maps", "edge": "edges", "pose": "poses", None: "unknown"}
    console.print(Text(f"{report.root}: {kind[report.kind]}, layout {report.layout or 'unknown'}"))
    pairs = f", {report.pairs} pairs with a ground truth" if report.pairs else ""
    console.print(f"{len(report.records)} pictures{pairs}")
    if report.sizes:
        _print_sizes(report, console)
    if report.classes:
        _print_classes(report, console)
    _print_findings("Warnings", report.warnings, "yellow", console)
    _print_findings("Problems", report.problems, "red", console)
    if report.problems:
        count = len(report.problems)
        text = (
            f"{count} problem{'s' * (count > 1)}: training would fail or go wrong; correct what "
            "is named above and check again"
        )
        console.print(text, style="red", soft_wrap=True)
    else:
        console.print("no problems: ready for training", style="green")


def _default_sheet(folder: Path) -> Path:
    """Where the contact sheet goes: here, or beside the corpus if this is inside of it."""
    inside, here = folder.resolve(), Path.cwd().resolve()
    name = f"{inside.name}-check.png"
    return inside.parent / name if here.is_relative_to(inside) else Path(name)


def _check_outputs(folder: Path, sheet: Path, json_file: Path | None, overwrite: bool) -> None:
    """Refuses, before any work, files that may not be written; the sheet may still be hindered."""
    outputs = {"--out": sheet} if json_file is None else {"--out": sheet, "--json": json_file}
    if sheet.suffix.lower() != ".png":
        raise ValueError(f"--out {sheet}: expected a name ending in .png")
    if json_file is not None and json_file.resolve() == sheet.resolve():
        raise ValueError(f"--json {json_file}: is --out too; give another name")
    inside = folder.resolve()
    for flag, path in outputs.items():
        if inside in path.resolve().parents:
            raise ValueError(
                f"{path} lies in {folder}, into which nothing is written; give {flag} another place"
            )
    if json_file is not None:
        check_target(json_file)
        if json_file.exists() and not overwrite:
            raise FileExistsError(
                f"{json_file} exists already; choose another name with --json, or --overwrite"
            )


def _hindrance(sheet: Path, named: bool, overwrite: bool) -> str | None:
    """Says why no contact sheet can be written, which is no reason not to check; None if it can.

    Raises:
        WriteError: the sheet was named by --out and cannot be written there.
    """
    try:
        check_target(sheet)
    except WriteError as error:
        if named:
            raise
        return f"{error} (--out)"
    if sheet.exists() and not overwrite and not is_sheet(sheet):
        return (
            f"{sheet} exists already and is none of rabit data check; choose another name with "
            "--out, or --overwrite"
        )
    return None


def _print_sizes(report: Report, console: Console) -> None:
    """Prints the most frequent sizes, the smallest and the largest, and the aspect ratios."""
    table = Table("size", "pictures", title="Sizes", title_justify="left")
    for (height, width), count in report.sizes[:_SIZES]:
        table.add_row(f"{width}×{height}", str(count))
    if len(report.sizes) > _SIZES:
        others = report.sizes[_SIZES:]
        table.add_row(f"{len(others)} others", str(sum(count for _, count in others)))
    console.print(table)
    shape, count = usual_shape(report.sizes), sum(count for _, count in report.sizes)
    oblong = count_oblong(report.sizes)
    if shape is not None:
        ratio, (height, width) = shape.ratio, shape.size
        advice = (
            f"shapes: {shape.pictures} of {count} are "
            f"{ratio.numerator}:{ratio.denominator} (width:height), which square presets stretch; "
            f"train with --size {height}x{width}, or with --fit crop"
        )
        console.print(advice, soft_wrap=True)
    elif _OBLONG * oblong >= count:
        advice = (
            f"shapes: {oblong} of {count} are no squares, which square presets stretch; train with "
            "--fit crop to have them keep their shape"
        )
        console.print(advice, soft_wrap=True)
    sizes = [size for size, _ in report.sizes]
    small = min(sizes, key=lambda size: (size[0] * size[1], size))
    large = max(sizes, key=lambda size: (size[0] * size[1], size))
    ratios = sorted(width / height for height, width in sizes)
    console.print(
        f"smallest {small[1]}×{small[0]}, largest {large[1]}×{large[0]}, width / height "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    )


def _print_classes(report: Report, console: Console) -> None:
    """Prints the classes that occur, those with the most pixels first."""
    table = Table("id", "class", "pixels", "pictures", title="Classes", title_justify="left")
    used = [(use.share, i) for i, use in enumerate(report.classes) if use.pictures]
    for share, i in sorted(used, key=lambda item: (-item[0], item[1]))[:_CLASSES]:
        use = report.classes[i]
        table.add_row(str(i), Text(use.name), f"{100 * share:.2f} %", str(use.pictures))
    console.print(table)
    unused = len(report.classes) - len(used)
    if len(used) > _CLASSES or unused:
        console.print(f"{max(len(used) - _CLASSES, 0)} rarer classes, {unused} in no picture")


def _print_findings(title: str, findings: Sequence[Finding], style: str, console: Console) -> None:
    """Prints findings: of one kind with one cause the first, with the names of a few others."""
    if not findings:
        return
    console.print(Text(title, style=f"bold {style}"))
    shown: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for first, *others in group_findings(findings):
        if shown[first.kind] == _CAUSES:
            left[first.kind] += 1 + len(others)
            continue
        shown[first.kind] += 1
        text = Text.assemble((first.kind, style), "  ", " ".join(first.text.split()))
        console.print(text, soft_wrap=True)
        if others:
            listed = ", ".join(finding.files[0].name for finding in others[:_NAMED])
            more = len(others) - _NAMED
            listed += f" and {more} more" if more > 0 else ""
            console.print(Text(f"  the same: {listed}"), soft_wrap=True)
    for kind, count in left.items():
        text = Text.assemble((kind, style), f"  and {count} more; --json FILE lists all")
        console.print(text, soft_wrap=True)
