"""RABIT: exemplar-based image translation and semantic image editing by bi-level alignment."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rabit import alignment, functional
    from rabit.combining import Exemplar
    from rabit.functional.condition import Condition
    from rabit.inference import Matching, Translation, Translator, load
    from rabit.model.sources import embedded_models, released_models

__all__ = [
    "Condition",
    "Exemplar",
    "Matching",
    "Translation",
    "Translator",
    "alignment",
    "embedded_models",
    "functional",
    "load",
    "released_models",
]
__version__ = "0.1.0"

# Where each name comes from: imported at its first use, as torch takes seconds to load.
_HOMES = {
    "Condition": "rabit.functional.condition",
    "Exemplar": "rabit.combining",
    "Matching": "rabit.inference",
    "Translation": "rabit.inference",
    "Translator": "rabit.inference",
    "embedded_models": "rabit.model.sources",
    "load": "rabit.inference",
    "released_models": "rabit.model.sources",
}


def __getattr__(name: str) -> Any:
    if name in ("alignment", "functional"):
        return import_module(f"rabit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'rabit' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
