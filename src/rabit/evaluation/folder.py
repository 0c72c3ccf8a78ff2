"""The folder of an evaluation: what it is of, its pictures, and the figures measured so far."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from rabit.writing import WriteError, is_partial, naming, write_files

RECORD = "evaluation.json"
CONDITIONS, EXEMPLARS, TRUTH = "conditions", "exemplars", "truth"
RESERVED = (CONDITIONS, EXEMPLARS, TRUTH)
"""Folders of pictures that are no method's."""

SUMMARIES = ("figures.json", "figures.csv", "tables.md", "report.html")
"""Files that are made of all figures."""

LABEL, DIGEST, TOLD = "test set", "digest", "told"
_GROWING = ("methods", "networks")
_FOLDERS = ("pictures", "warped", "figures")
_SAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class EvaluationFolder:
    """Where everything of an evaluation lies.

    Pictures are `pictures/METHOD/NAME.png`, with the conditions in colours, the exemplars and the
    truth beside the methods; `warped/METHOD/NAME.png` are warped exemplars;
    `figures/METHOD/PART-FIRST.safetensors` are the figures of the pictures of a batch.

    Args:
        root: the folder.
    """

    root: Path

    @property
    def record(self) -> Path:
        """The file that says what is evaluated."""
        return self.root / RECORD

    def picture(self, kind: str, name: str) -> Path:
        """Returns the file of a method's picture, or of a condition, an exemplar or a truth."""
        return self.root / "pictures" / kind / f"{name}.png"

    def warped(self, method: str, name: str) -> Path:
        """Returns the file of a warped exemplar."""
        return self.root / "warped" / method / f"{name}.png"

    def figures(self, method: str, batch: str) -> Path:
        """Returns the file of a batch's figures."""
        return self.root / "figures" / method / f"{batch}.safetensors"

    def read_figures(self, method: str, batch: str) -> dict[str, Tensor] | None:
        """Reads the figures of a batch; None where they are missing or damaged."""
        try:
            return load_tensors(self.figures(method, batch).read_bytes())
        except (OSError, SafetensorError, ValueError, KeyError):
            return None

    def write_figures(self, method: str, batch: str, figures: Mapping[str, Tensor]) -> None:
        """Writes the figures of a batch."""
        kept = {name: value.detach().cpu().contiguous() for name, value in figures.items()}
        write_files({self.figures(method, batch): save_tensors(kept)}, overwrite=True)

    def settle(self, record: Mapping[str, Any], overwrite: bool) -> dict[str, Any]:
        """Makes the folder one of this evaluation, new or gone on with.

        Args:
            record: what is evaluated, JSON-ready: `methods` by what their folders are called and
                `networks` by their labels, and anything else that figures depend on. To these two
                others may be added; all else is to be the same, but for `told`, which says of
                methods what no figure depends on and may change.
            overwrite: whether another evaluation's results may be deleted.

        Returns:
            The record that is written: with the methods and networks that were there before.

        Raises:
            FileExistsError: the folder holds something else.
            ValueError: it holds an evaluation of something else; the field is named.
        """
        replaced = overwrite and self.record.is_file()
        if replaced:
            self._clear()
        # A damaged record can be replaced too.
        there = None if replaced else self._read_record()
        used = self.root.is_dir() and any(self.root.iterdir())
        if there is None and used and not replaced:
            raise FileExistsError(
                f"{self.root} is not empty and holds no evaluation; choose another folder"
            )
        if there is not None:
            self._require_same(there, record)
            merged = {
                each: {**there.get(each, {}), **record.get(each, {})} for each in (*_GROWING, TOLD)
            }
            record = {**record, **merged}
        self._clean()
        text = json.dumps(record, indent=1) + "\n"
        write_files({self.record: text.encode()}, overwrite=True)
        return dict(record)

    def methods(self) -> tuple[str, ...]:
        """Returns what the folders of the methods that were begun here are called.

        Raises:
            ValueError: the record is damaged.
        """
        return tuple((self._read_record() or {"methods": {}})["methods"])

    def _read_record(self) -> dict[str, Any] | None:
        """Returns the record, None where there is none."""
        if not self.record.is_file():
            return None
        try:
            read = json.loads(self.record.read_text(encoding="utf-8"))
            return {
                **read, **{each: dict(read[each]) for each in _GROWING},
                TOLD: dict(read.get(TOLD, {})),
            }  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.record}: damaged ({error}); replace the evaluation with --overwrite"
            ) from error

    def _require_same(self, there: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Raises if the folder's evaluation is another one."""
        advice = "choose another --out, or --overwrite to begin anew"
        # Of one test set the name may change, with that of the folder that it is in.
        passed = (*_GROWING, TOLD, *([LABEL] if there.get(DIGEST) == record.get(DIGEST) else []))
        for field, value in record.items():
            if field not in passed and there.get(field) != value:
                raise ValueError(
                    f"{self.root} holds an evaluation with another {field}: found "
                    f"{_short(there.get(field))}, expected {_short(value)}; {advice}"
                )
        for field in _GROWING:
            for name, own in record[field].items():
                known = there[field].get(name, own)
                if known != own:
                    raise ValueError(
                        f"{self.root} holds figures of another {name}: found {_short(known)}, now "
                        f"{_short(own)}; {advice}"
                    )

    def _clean(self) -> None:
        """Deletes what a killed process left half-written."""
        below = (path for name in _FOLDERS for path in (self.root / name).rglob("*.part"))
        for path in (*self.root.glob("*.part"), *below):
            if is_partial(path.name):
                path.unlink(missing_ok=True)

    def _clear(self) -> None:
        """Deletes what was made; the record stays until another takes its place."""
        for name in SUMMARIES:
            with naming(self.root / name):
                (self.root / name).unlink(missing_ok=True)
        for name in _FOLDERS:
            try:
                shutil.rmtree(self.root / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise WriteError(f"{self.root / name}: could not be deleted ({error})") from error


def folder_name(method: str) -> str:
    """Returns what a method's folders are called.

    Raises:
        ValueError: nothing of the name can stand in a file's name, or it is reserved.
    """
    name = _SAFE.sub("-", method).strip("-.")[:100]
    if not name or name in RESERVED:
        raise ValueError(
            f"method {method!r}: no name for a folder of pictures ({', '.join(RESERVED)} are "
            "taken); give another one as NAME=..."
        )
    return name


def complete(figures: Mapping[str, Tensor] | None, count: int, names: frozenset[str]) -> bool:
    """Tells whether a batch's figures are all there.

    Args:
        figures: of the batch.
        count: number of its pictures.
        names: of the figures.
    """
    if figures is None or not names <= set(figures):
        return False
    return all(len(value) == count for name, value in figures.items() if name in names)


def stacked(batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Puts the figures of all batches behind each other."""
    shared = [name for name in batches[0] if all(name in batch for batch in batches)]
    return {name: torch.cat([batch[name] for batch in batches]) for name in shared}


def _short(value: Any) -> str:
    """Returns a value as text that fits a line."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
