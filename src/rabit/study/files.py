"""The files of a study: what the page may know, and the key that it never sees."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rabit.study.questions import Question
from rabit.study.reading import build, read_object

STUDY, KEY, MANIFEST, PICTURES = "study.json", "key.json", "manifest.json", "pictures"
DATABASE, SCORES = "answers.sqlite", "scores"
CROWD_PAGE, CROWD_TABLE = "mturk.html", "mturk.csv"
VERSION = 1
KINDS = ("main", "gold", "repeat")


@dataclass(frozen=True)
class Picture:
    """A picture: pictures/ID.png, of so many pixels."""

    id: str
    width: int
    height: int

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-z]{1,64}", self.id):
            raise ValueError(f"id is {self.id!r}, expected digits and small letters")


@dataclass(frozen=True)
class ShownItem:
    """An item: the ids of its condition's and its exemplar's picture."""

    id: str
    condition: str
    exemplar: str


@dataclass(frozen=True)
class Trial:
    """One question about one item: the ids of the pictures to choose from, in order."""

    id: str
    item: str
    question: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """The trials of one rater, in order."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Study:
    """What is shown: pictures, trials and texts, by opaque ids.

    Args:
        version: of the format.
        title, introduction, consent: texts of the page.
        questions: what is asked.
        items: what the trials are about.
        pictures: all of them.
        sheets: one a rater.
    """

    version: int
    title: str
    introduction: str
    consent: str
    questions: tuple[Question, ...]
    items: tuple[ShownItem, ...]
    pictures: tuple[Picture, ...]
    sheets: tuple[Sheet, ...]

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, expected {VERSION}; make the study anew")
        if not self.sheets or not all(sheet.trials for sheet in self.sheets):
            raise ValueError("sheets has none, or one without trials; make the study anew")
        pictures = _unique("pictures", (picture.id for picture in self.pictures))
        items = _unique("items", (item.id for item in self.items))
        questions = _unique("questions", (question.id for question in self.questions))
        trials = [trial for sheet in self.sheets for trial in sheet.trials]
        _unique("trials", (trial.id for trial in trials))
        for shown in self.items:
            _known(f"items: {shown.id}", {shown.condition, shown.exemplar} - pictures)
        for trial in trials:
            _known(f"trials: {trial.id}", {trial.item} - items)
            _known(f"trials: {trial.id}", {trial.question} - questions)
            _known(f"trials: {trial.id}", set(trial.choices) - pictures)
            if len(set(trial.choices)) != len(trial.choices) or len(trial.choices) < 2:
                raise ValueError(f"trials: {trial.id} needs two or more different choices")


@dataclass(frozen=True)
class KeyPicture:
    """What a picture is.

    Args:
        id: in the study.
        item: the name of its item.
        role: condition, exemplar, result, right or wrong (of a gold trial).
        method: whose result it is, or empty.
    """

    id: str
    item: str
    role: str
    method: str = ""


@dataclass(frozen=True)
class KeyTrial:
    """What a trial is for.

    Args:
        id: in the study.
        kind: main, gold or repeat.
        right: of a gold trial, the picture to choose.
        of: of a repeat, the trial that it repeats.
    """

    id: str
    kind: str
    right: str = ""
    of: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, expected one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Key:
    """What the opaque ids of a study stand for.

    Args:
        version: of the format.
        study: the digest of the study that it belongs to.
        seed: that the study was drawn by.
        design: k-way or pairwise.
        methods: their names, in the order of the scores.
        pictures: all of the study.
        trials: all of the study.
    """

    version: int
    study: str
    seed: int
    design: str
    methods: tuple[str, ...]
    pictures: tuple[KeyPicture, ...]
    trials: tuple[KeyTrial, ...]


def study_text(study: Study) -> str:
    """Returns a study as JSON."""
    return json.dumps(asdict(study), ensure_ascii=False, separators=(",", ":")) + "\n"


def key_text(key: Key) -> str:
    """Returns a key as JSON."""
    return json.dumps(asdict(key), ensure_ascii=False, indent=1) + "\n"


def digest(text: str) -> str:
    """Returns what ties keys and answers to a study: the SHA-256 of its file's text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class LoadedStudy:
    """A study, the digest of its file, and its folder."""

    study: Study
    digest: str
    folder: Path


def load_study(folder: Path) -> LoadedStudy:
    """Reads the study in a folder, without its key.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is damaged; the field is named.
    """
    path = folder / STUDY
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; make a study with `rabit study make`")
    study = build(Study, read_object(path), str(path))
    return LoadedStudy(study, digest(path.read_text(encoding="utf-8")), folder)


def require_pictures(loaded: LoadedStudy) -> None:
    """Refuses a study whose pictures are not all there.

    Raises:
        FileNotFoundError: one is missing; it is named.
    """
    names = [f"{picture.id}.png" for picture in loaded.study.pictures]
    folder = loaded.folder / PICTURES
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder / missing[0]}: no such file, and {len(missing)} of {len(names)} pictures are "
            "missing; bring them back, or make the study again: rabit study make --overwrite"
        )


def load_key(loaded: LoadedStudy) -> Key:
    """Reads the key of a study.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or another study's.
    """
    path = loaded.folder / KEY
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; bring the key back to score the study")
    key = build(Key, read_object(path), str(path))
    if key.study != loaded.digest:
        raise ValueError(f"{path}: belongs to another study than {STUDY} beside it")
    trials = {trial.id for sheet in loaded.study.sheets for trial in sheet.trials}
    if trials != {trial.id for trial in key.trials}:
        raise ValueError(f"{path}: trials are not those of {STUDY}; make the study anew")
    return key


def _unique(field: str, values: Iterable[str]) -> set[str]:
    listed = list(values)
    found = set(listed)
    if len(found) != len(listed):
        raise ValueError(f"{field} has an id twice; make the study anew")
    return found


def _known(where: str, unknown: set[str]) -> None:
    if unknown:
        raise ValueError(f"{where} names {sorted(unknown)[0]!r}, which is not there")
