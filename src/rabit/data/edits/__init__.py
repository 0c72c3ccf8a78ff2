"""Manipulation sets: objects of real photographs moved, removed and added, with their truth."""

from __future__ import annotations

from rabit.data.edits.affine import Affine, draw_affine, warp
from rabit.data.edits.compose import KINDS, EditKind, ObjectEdit, carry_away, make_edit, take_out
from rabit.data.edits.files import write_edits
from rabit.data.edits.fill import fill_labels, fill_photograph
from rabit.data.edits.objects import MapObject, ObjectRules, find_objects
from rabit.data.edits.series import CorpusEdit, EditRules, corpus_edits

__all__ = [
    "KINDS",
    "Affine",
    "CorpusEdit",
    "EditKind",
    "EditRules",
    "MapObject",
    "ObjectEdit",
    "ObjectRules",
    "carry_away",
    "corpus_edits",
    "draw_affine",
    "fill_labels",
    "fill_photograph",
    "find_objects",
    "make_edit",
    "take_out",
    "warp",
    "write_edits",
]
