"""Making of a study: pictures under opaque names, the trials of every rater, and the key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rabit.study.album import Album, Laid, Names, lay_item
from rabit.study.crowd import crowd_page, crowd_table
from rabit.study.design import Comparison, Planned, plan_k_way, plan_pairwise, plan_sheet
from rabit.study.files import (
    CROWD_PAGE,
    CROWD_TABLE,
    DATABASE,
    KEY,
    MANIFEST,
    PICTURES,
    STUDY,
    VERSION,
    Key,
    KeyPicture,
    KeyTrial,
    Sheet,
    Study,
    Trial,
    digest,
    key_text,
    load_study,
    study_text,
)
from rabit.study.gold import Gold, make_gold
from rabit.study.items import find_items
from rabit.study.manifest import Manifest, manifest_json
from rabit.writing import check_target, naming, replace_files, replaceable, workplace

# Gold trials of a rater, and repeated ones, at most where their number is left open.
CHECKS = 10


@dataclass(frozen=True)
class Made:
    """What was made.

    Args:
        items: how many.
        sheets: how many raters it is for.
        main, gold, repeats: trials of each kind a rater.
        notes: remarks for the user.
    """

    items: int
    sheets: int
    main: int
    gold: int
    repeats: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Counts:
    """Trials: main ones a question, and gold and repeated ones a rater, over all questions."""

    main: int
    gold: int
    repeats: int


def make_study(
    manifest: Manifest,
    out: Path,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Makes a study; the same manifest and pictures give the same files.

    Args:
        manifest: what from.
        out: the folder to write.
        overwrite: whether an earlier study in it may be replaced.
        progress: is told how many items of how many are done.

    Raises:
        FileNotFoundError: a picture is missing; it is named.
        ValueError: the pictures or numbers do not fit; the field is named.
        WriteError: something could not be written.
    """
    check_target(out, folder=True)
    if (out / DATABASE).exists():
        raise ValueError(
            f"{out / DATABASE} holds answers to the study in this folder; give another folder, or "
            "move the answers and the study away"
        )
    replaceable(out, lambda: _own_files(out), [], "study's files", overwrite)
    found = find_items(manifest)
    counts = _count(manifest, len(found.items))
    plans = _plan(manifest, len(found.items), counts)
    with workplace(out) as work:
        rng = np.random.default_rng((manifest.seed, 2))
        album = Album(work / "new" / PICTURES, rng, out / PICTURES)
        laid = []
        for done, item in enumerate(found.items):
            laid.append(lay_item(item, manifest, album))
            if progress is not None:
                progress(done + 1, len(found.items))
        gold = make_gold(manifest, found.items, laid, counts.gold, album)
        sheets, trials = _fill_sheets(manifest, plans, laid, gold, counts)
        study = Study(
            version=VERSION,
            title=manifest.title,
            introduction=manifest.introduction,
            consent=manifest.consent,
            questions=manifest.questions,
            items=tuple(sorted((entry.shown for entry in laid), key=lambda shown: shown.id)),
            pictures=tuple(sorted(album.pictures, key=lambda picture: picture.id)),
            sheets=sheets,
        )
        names = _write(study, album.key, trials, manifest, work / "new", out)
        earlier = replaceable(out, lambda: _own_files(out), names, "study's files", overwrite)
        # What lists the files leaves last and comes first: killed in between, they are known.
        earlier.sort(key=lambda name: name == Path(STUDY))
        with naming(out):
            replace_files(out, earlier, names, work)
    return Made(
        items=len(found.items),
        sheets=len(sheets),
        main=counts.main * len(manifest.questions),
        gold=len(gold),
        repeats=counts.repeats,
        notes=(*found.notes, *album.notes),
    )


def _count(manifest: Manifest, items: int) -> _Counts:
    """Fills in the numbers that the manifest leaves open.

    Raises:
        ValueError: they cannot be had.
    """
    questions = len(manifest.questions)
    total = manifest.trials_per_rater or items * questions
    if total % questions:
        raise ValueError(
            f"trials_per_rater is {total}, expected a multiple of the {questions} questions"
        )
    main = total // questions
    half = (main + 1) // 2
    checks = min(CHECKS, total // 4)
    gold = checks if manifest.gold is None else manifest.gold
    repeats = checks if manifest.repeats is None else manifest.repeats
    if -(-repeats // questions) > half:
        raise ValueError(
            f"repeats is {repeats}, but at most {half * questions} of a rater's {total} trials, "
            "those in the first half, can be repeated"
        )
    return _Counts(main, gold, repeats)


def _plan(manifest: Manifest, items: int, counts: _Counts) -> list[list[list[Comparison]]]:
    """Plans the main comparisons: for each question those of each rater."""
    numbers = (items, len(manifest.methods), manifest.raters, counts.main)
    plans = []
    for question in range(len(manifest.questions)):
        rng = np.random.default_rng((manifest.seed, 3, question))
        if manifest.design == "pairwise":
            overlap = min(manifest.overlap, manifest.raters)
            plans.append(plan_pairwise(*numbers, rng, overlap))
        else:
            plans.append(plan_k_way(*numbers, rng))
    return plans


def _fill_sheets(
    manifest: Manifest,
    plans: Sequence[Sequence[Sequence[Comparison]]],
    laid: Sequence[Laid],
    gold: Sequence[Gold],
    counts: _Counts,
) -> tuple[tuple[Sheet, ...], list[KeyTrial]]:
    """Turns the plan of each rater into trials with ids."""
    names = Names(np.random.default_rng((manifest.seed, 5)))
    sheets, key = [], []
    for rater in range(manifest.raters):
        rng = np.random.default_rng((manifest.seed, 6, rater))
        blocks = [plan[rater] for plan in plans]
        planned = plan_sheet(rater, blocks, [g.question for g in gold], counts.repeats, rng)
        ids = [names.draw() for _ in planned]
        trials = []
        for name, trial in zip(ids, planned, strict=True):
            asked = manifest.questions[trial.question].id
            item, choices, right = _shown(trial, laid, gold, rng)
            trials.append(Trial(name, item, asked, choices))
            of = ids[trial.of] if trial.kind == "repeat" else ""
            key.append(KeyTrial(name, trial.kind, right, of))
        sheets.append(Sheet(tuple(trials)))
    return tuple(sheets), sorted(key, key=lambda trial: trial.id)


def _shown(
    trial: Planned, laid: Sequence[Laid], gold: Sequence[Gold], rng: np.random.Generator
) -> tuple[str, tuple[str, ...], str]:
    """A trial's item, its choices in order, and for gold the right one."""
    if trial.comparison is None:
        own = gold[trial.gold]
        pictures = (own.right, *own.wrong)
        order = rng.permutation(len(pictures)).tolist()
        return own.item, tuple(pictures[i] for i in order), own.right
    entry = laid[trial.comparison.item]
    return entry.shown.id, tuple(entry.results[m] for m in trial.comparison.methods), ""


def _write(
    study: Study,
    pictures: Sequence[KeyPicture],
    trials: Sequence[KeyTrial],
    manifest: Manifest,
    folder: Path,
    out: Path,
) -> list[Path]:
    """Writes the files beside the pictures, and returns the names of all, relative.

    Errors name the folder that they end in, `out`.
    """
    text = study_text(study)
    key = Key(
        version=VERSION,
        study=digest(text),
        seed=manifest.seed,
        design=manifest.design,
        methods=tuple(method.name for method in manifest.methods),
        pictures=tuple(pictures),
        trials=tuple(trials),
    )
    files = {STUDY: text, KEY: key_text(key), MANIFEST: manifest_json(manifest)}
    if manifest.picture_url:
        per_hit = manifest.trials_per_hit
        files[CROWD_PAGE] = crowd_page(study, manifest.picture_url, per_hit)
        files[CROWD_TABLE] = crowd_table(study, per_hit)
    for name, content in files.items():
        with naming(out / name):
            (folder / name).write_bytes(content.encode("utf-8"))
    return [*(Path(name) for name in files), *_picture_files(study)]


def _picture_files(study: Study) -> list[Path]:
    return [Path(PICTURES, f"{picture.id}.png") for picture in study.pictures]


def _own_files(out: Path) -> list[Path]:
    """The files of an earlier study in a folder, relative; none if there is none that is whole."""
    try:
        study: Any = load_study(out).study
    except (OSError, ValueError):
        return []
    fixed = [Path(name) for name in (STUDY, KEY, MANIFEST, CROWD_PAGE, CROWD_TABLE)]
    return [name for name in (*fixed, *_picture_files(study)) if (out / name).is_file()]
