"""RABIT: exemplar-based image translation and semantic image editing by bi-level alignment."""

from __future__ import annotations

from rabit import alignment, functional
from rabit.functional.condition import Condition
from rabit.inference import Translation, Translator, load
from rabit.model.sources import embedded_models

__all__ = [
    "Condition",
    "Translation",
    "Translator",
    "alignment",
    "embedded_models",
    "functional",
    "load",
]
__version__ = "0.1.0"
