"""What a study is made from: methods, pictures and the design, from a JSON file or from options."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rabit.fields import check_at_least_zero, check_choice, check_positive, to_dict
from rabit.study.questions import PAPER_QUESTIONS, Question, find_questions
from rabit.study.reading import build, read_object

DESIGNS = ("k-way", "pairwise")
# A choice has a key, and a rater must still see them side by side.
MOST_METHODS = 12
ITEMS = 100
RATERS = 10
TRUTH = "truth"
CONDITIONS, EXEMPLARS = "conditions", "exemplars"
INTRODUCTION = (
    "You will see a layout, a style picture, and several pictures that a computer made from the "
    "two. For each question choose the picture that answers it best. There is no right answer: "
    "your own impression counts."
)
CONSENT = (
    "Taking part is voluntary, and you may stop at any time by closing this page. Stored are your "
    "choices, the times at which you make them, and a random code instead of your name; nothing "
    "else about you or your device."
)


@dataclass(frozen=True)
class Method:
    """A method that is compared.

    Args:
        name: for the scores; raters never see it.
        folder: with its pictures, one an item; empty where a table lists them.
    """

    name: str
    folder: str = ""


@dataclass(frozen=True)
class GoldPair:
    """A trial with a known right answer, of pictures that the user gives.

    Args:
        item: the name of an item, whose condition and exemplar are shown.
        question: its id.
        right: the picture to choose.
        wrong: one or more obviously worse pictures.
    """

    item: str
    question: str
    right: str
    wrong: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.wrong:
            raise ValueError("wrong is empty; give at least one obviously worse picture")


@dataclass(frozen=True)
class Manifest:
    """Everything that a study is made from.

    Args:
        methods: two or more.
        conditions: folder of the conditions, by the items' names; empty with `table`.
        exemplars: folder of the exemplars; empty with `table`.
        truth: folder of true translations, for gold trials; may be empty.
        table: CSV file with columns item, condition, exemplar, maybe truth, and one a method;
            instead of folders.
        match: a pattern of the items' names, in which * stands for anything.
        names: the items; empty for all that every folder has.
        items: how many of them, drawn by the seed; None for 100, or all if there are fewer.
        design: k-way (all methods side by side) or pairwise (two).
        questions: what is asked.
        seed: of every draw.
        gold: trials a rater with a known answer; None for 10, or a quarter of those that count if
            that is less.
        gold_pairs: such trials of the user's own, besides.
        repeats: trials that a rater sees a second time; None as `gold`.
        raters: for how many the design is balanced.
        trials_per_rater: without gold and repeats, over all questions; None for one an item and
            question.
        overlap: raters that judge the same comparison of two, in the pairwise design.
        resize: whether results of different sizes are brought to one.
        title: heading of the page.
        introduction: what raters have to do.
        consent: what they agree to.
        picture_url: where the crowd form finds the pictures.
        trials_per_hit: on one crowd form.
    """

    methods: tuple[Method, ...]
    conditions: str = ""
    exemplars: str = ""
    truth: str = ""
    table: str = ""
    match: str = "*"
    names: tuple[str, ...] = ()
    items: int | None = None
    design: str = DESIGNS[0]
    questions: tuple[Question, ...] = PAPER_QUESTIONS
    seed: int = 0
    gold: int | None = None
    gold_pairs: tuple[GoldPair, ...] = ()
    repeats: int | None = None
    raters: int = RATERS
    trials_per_rater: int | None = None
    overlap: int = 2
    resize: bool = False
    title: str = "Comparing pictures"
    introduction: str = INTRODUCTION
    consent: str = CONSENT
    picture_url: str = ""
    trials_per_hit: int = 10

    def __post_init__(self) -> None:
        self._check_methods()
        check_choice("design", self.design, DESIGNS)
        if not self.questions:
            raise ValueError("questions is empty; ask at least one")
        _check_unique("questions", [question.id for question in self.questions])
        _check_unique("names", self.names)
        check_at_least_zero(seed=self.seed, gold=self.gold or 0, repeats=self.repeats or 0)
        check_positive(raters=self.raters, trials_per_hit=self.trials_per_hit, overlap=self.overlap)
        for field in ("items", "trials_per_rater"):
            if getattr(self, field) is not None:
                check_positive(**{field: getattr(self, field)})
        if not self.table:
            for field in (CONDITIONS, EXEMPLARS):
                if not getattr(self, field):
                    raise ValueError(f"{field} is missing; give the folder, or a table of files")
        for field in ("title", "introduction", "consent"):
            if not getattr(self, field).strip():
                raise ValueError(f"{field} is empty; raters see it before they start")

    def _check_methods(self) -> None:
        """Refuses too few or many methods, and names that cannot be told apart."""
        if not 2 <= len(self.methods) <= MOST_METHODS:
            raise ValueError(
                f"methods has {len(self.methods)} entries, expected 2 to {MOST_METHODS}"
            )
        for method in self.methods:
            if not method.name.strip():
                raise ValueError("methods has one without a name; name each")
            if not self.table and not method.folder:
                raise ValueError(f"methods: {method.name} has no folder; give it, or a table")
        _check_unique("methods", [method.name for method in self.methods])


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads a manifest's fields, for `make_manifest`; its paths are relative to its own folder.

    `methods` may be a mapping from name to folder, and a question the name of one of the paper's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON object.
    """
    data = read_object(path)
    if isinstance(data.get("methods"), dict):
        data["methods"] = [
            {"name": name, "folder": folder} for name, folder in data["methods"].items()
        ]
    if isinstance(data.get("questions"), list):
        data["questions"] = [_question(question) for question in data["questions"]]
    return _relative_to(path.parent, data)


def make_manifest(data: Mapping[str, Any], where: str = "manifest") -> Manifest:
    """Builds a manifest from fields, refusing what is unknown or wrong.

    Raises:
        ValueError: a field is unknown, missing, of the wrong type or out of range; it is named.
    """
    if "methods" not in data:
        raise ValueError(f"{where}: methods is missing; name two or more, each with its folder")
    return build(Manifest, data, where)


def manifest_json(manifest: Manifest) -> str:
    """Returns a manifest as the JSON text that `read_manifest` reads."""
    return json.dumps(to_dict(manifest), indent=2, ensure_ascii=False) + "\n"


def picture_folders(root: Path) -> dict[str, Any]:
    """Finds the fields that a folder with a sub-folder of pictures a method stands for.

    Args:
        root: with `conditions`, `exemplars`, one folder a method, and maybe `truth`.

    Raises:
        FileNotFoundError: the folder, conditions or exemplars are missing.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give one with a sub-folder a method")
    own = {TRUTH, CONDITIONS, EXEMPLARS}
    folders = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()}
    for name in (CONDITIONS, EXEMPLARS):
        if name not in folders:
            raise FileNotFoundError(f"{root / name}: no such folder; put the {name} there")
    methods = [
        {"name": name, "folder": str(path)}
        for name, path in folders.items()
        if name not in own and not name.startswith(".")
    ]
    found = {name: str(path) for name, path in folders.items() if name in own}
    return {"methods": methods, **found}


def _question(given: Any) -> Any:
    """Puts one of the paper's questions for its name."""
    return dataclasses.asdict(find_questions([given])[0]) if isinstance(given, str) else given


def _relative_to(folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Makes the paths in a manifest's fields those of its folder; wrong types stay as they are."""

    def place(path: Any) -> Any:
        return str(folder / path) if isinstance(path, str) and path else path

    for field in (CONDITIONS, EXEMPLARS, TRUTH, "table"):
        if field in data:
            data[field] = place(data[field])
    for field, inner in (("methods", ("folder",)), ("gold_pairs", ("right", "wrong"))):
        entries = data.get(field)
        if isinstance(entries, list):
            data[field] = [_place_entry(entry, inner, place) for entry in entries]
    return data


def _place_entry(entry: Any, inner: tuple[str, ...], place: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    placed = {
        name: [place(path) for path in entry[name]]
        if isinstance(entry[name], list)
        else place(entry[name])
        for name in inner
        if name in entry
    }
    return entry | placed


def _check_unique(field: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{field} names {value!r} twice; give each its own name")
        seen.add(value)
