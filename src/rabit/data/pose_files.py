"""Reading and writing of the files that pose estimators give: OpenPose's text and JSON files."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from rabit.data.joints import JOINTS, Joints
from rabit.data.text import read_text
from rabit.writing import write_files

CANDIDATE = "_candidate.txt"
"""How the name of a list of found joints ends."""

SUBSET = "_subset.txt"
"""How the name of the list of persons beside it ends."""

MAX_PLACE = 1e6
"""The largest coordinate, in pixels."""

# The 18 joints in the order of the body model with 25, which adds the middle of the hips and feet.
_OF_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
_JSON_KEYS = ("pose_keypoints_2d", "pose_keypoints")


@dataclass(frozen=True)
class _Person:
    joints: Joints
    score: float

    @property
    def rank(self) -> tuple[float, int]:
        return self.score, int(self.joints.seen.sum())


def read_joints(path: Path) -> Joints:
    """Reads the joints of a person, of several the one of the highest score.

    Of persons of one score the one with the most joints is taken, then the first. A file that
    lists nobody gives joints of which none is seen.

    Args:
        path: one of

            - `…_candidate.txt`: a joint a row, `x y score id`; `…_subset.txt` lies beside it: a
              person a row, for each of the 18 joints the row of its place (-1: not seen), then
              the person's score and number of joints;
            - `….json` as OpenPose writes it: `people`, each with `pose_keypoints_2d` of x, y and
              confidence for 18 (COCO) or 25 (BODY_25) joints; confidence 0 means not seen.

    Returns:
        The joints, in pixels of the photograph.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not as described; it is named, with the line or field.
    """
    if path.suffix.lower() == ".json":
        people = _read_json(path)
    elif path.name.endswith(CANDIDATE):
        people = _read_text(path)
    else:
        raise ValueError(
            f"{path}: no file of a pose; expected a name ending in {CANDIDATE} or .json"
        )
    return max(people, key=lambda person: person.rank).joints if people else Joints.none()


def write_joints_text(stem: Path, joints: Joints, overwrite: bool = False) -> None:
    """Writes joints as text: both files appear complete, or none.

    Args:
        stem: path of the two files without `_candidate.txt` and `_subset.txt`.
        joints: to write; each joint that is seen gets score 1.
        overwrite: whether files that are there may be replaced.

    Raises:
        FileExistsError: a file is there and may not be replaced.
        OSError: a file cannot be written; it is named.
    """
    seen = np.flatnonzero(joints.seen)
    rows = [_row([*joints.places[joint], 1, row]) for row, joint in enumerate(seen)]
    indices = np.full(len(JOINTS), -1)
    indices[seen] = np.arange(len(seen))
    subset = _row([*indices, len(seen), len(seen)]) if len(seen) else ""
    write_files(
        {
            stem.with_name(stem.name + CANDIDATE): "".join(rows).encode(),
            stem.with_name(stem.name + SUBSET): subset.encode(),
        },
        overwrite,
    )


def write_joints_json(path: Path, joints: Joints, overwrite: bool = False) -> None:
    """Writes joints as OpenPose's JSON, with the 18 of its COCO model.

    Args:
        path: where to, ending in .json.
        joints: to write; each joint that is seen gets confidence 1, the others x, y and confidence
            0.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsError: the file is there and may not be replaced.
        OSError: the file cannot be written; it is named.
        ValueError: the name does not end in .json.
    """
    if path.suffix.lower() != ".json":
        raise ValueError(f"{path}: cannot write a pose under this name; end it in .json")
    seen = joints.seen[:, None]
    triples = np.where(seen, np.concatenate([joints.places, seen], axis=1), 0)
    people = [{"person_id": [-1], "pose_keypoints_2d": triples.ravel().tolist()}]
    text = json.dumps({"version": 1.3, "people": people if seen.any() else []})
    write_files({path: (text + "\n").encode()}, overwrite)


def _row(values: list[float]) -> str:
    """A line of numbers, each as short as it can be read back exactly."""
    return " ".join(repr(float(value)) for value in values) + "\n"


def _read_text(path: Path) -> list[_Person]:
    beside = path.with_name(path.name.removesuffix(CANDIDATE) + SUBSET)
    candidates = _read_table(path, 4, "x y score id")
    wanted = f"{len(JOINTS)} indices, score and number of joints"
    subset = _read_table(beside, len(JOINTS) + 2, wanted)
    return [_person(row, candidates, where, path.name) for where, row in subset]


def _read_table(path: Path, columns: int, wanted: str) -> list[tuple[str, list[float]]]:
    """Reads rows of numbers, each with its file and line."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        where = f"{path}: line {number}"
        if len(cells) != columns:
            raise ValueError(f"{where} has {len(cells)} numbers, expected {columns}: {wanted}")
        rows.append((where, [_number(cell, where) for cell in cells]))
    return rows


def _number(value: object, where: str) -> float:
    """Checks a finite number, of which a text may give the digits.

    Raises:
        ValueError: it is none; `where` begins the error.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where}: {_short(value)} is no number") from error
    if not math.isfinite(number):
        raise ValueError(f"{where}: {_short(value)} is not finite, expected a number")
    return number


def _short(value: object) -> str:
    """Spells a value of a file's, cut off where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of too many digits, lists too deep
        return f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:40] + "…"


def _person(
    row: list[float], candidates: list[tuple[str, list[float]]], where: str, listed: str
) -> _Person:
    """The person of a row of the subset file."""
    joints = Joints.none()
    for joint, value in enumerate(row[: len(JOINTS)]):
        if value == -1:
            continue
        if value != int(value) or not 0 <= value < len(candidates):
            raise ValueError(
                f"{where}: index {value:g} of the {JOINTS[joint]}, expected -1 or one of the "
                f"{len(candidates)} rows of {listed}, counted from 0"
            )
        line, numbers = candidates[int(value)]
        joints.places[joint] = _place(numbers[0], numbers[1], line)
        joints.seen[joint] = True
    return _Person(joints, row[len(JOINTS)])


def _place(x: float, y: float, where: str) -> Float64[np.ndarray, "2"]:
    if max(abs(x), abs(y)) > MAX_PLACE:
        raise ValueError(f"{where}: place ({x:g}, {y:g}), expected pixels of the photograph")
    return np.array([x, y])


def _read_json(path: Path) -> list[_Person]:
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: no JSON text ({error}); expected a file of OpenPose") from error
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise ValueError(f"{path}: no list `people`; expected a JSON file as OpenPose writes it")
    return [_json_person(person, f"{path}: people[{i}]") for i, person in enumerate(people)]


def _json_person(person: object, where: str) -> _Person:
    keys = [key for key in _JSON_KEYS if isinstance(person, dict) and key in person]
    values = person[keys[0]] if isinstance(person, dict) and keys else None
    if not isinstance(values, list):
        raise ValueError(f"{where} has no list `{_JSON_KEYS[0]}` of x, y and confidence")
    where = f"{where}.{keys[0]}"
    if len(values) not in (3 * 18, 3 * 25):
        raise ValueError(
            f"{where} has {len(values)} numbers, expected 54 (18 joints of the COCO model) or 75 "
            "(25 of BODY_25): x, y and confidence of each joint"
        )
    numbers = [_number(value, f"{where}[{i}]") for i, value in enumerate(values)]
    chosen = _OF_25 if len(numbers) == 3 * 25 else range(18)
    joints, score = Joints.none(), 0.0
    for joint, source in enumerate(chosen):
        x, y, confidence = numbers[3 * source : 3 * source + 3]
        if confidence > 0:
            joints.places[joint] = _place(x, y, f"{where}[{3 * source}]")
            joints.seen[joint] = True
            score += confidence
    return _Person(joints, score)
