"""Generated faces and figures, and generated corpora in the public layouts."""

from __future__ import annotations

from rabit.data.generated.faces import Face, generate_face
from rabit.data.generated.figures import Figure, generate_figure
from rabit.data.generated.layouts import LAYOUTS, write_layout

__all__ = ["LAYOUTS", "Face", "Figure", "generate_face", "generate_figure", "write_layout"]
