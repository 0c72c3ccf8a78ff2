"""Pure tensor mathematics of the method: entropic top-k, blocks, positions and conditions."""

from __future__ import annotations

from rabit.functional.condition import Condition
from rabit.functional.position import image_position, semantic_position
from rabit.functional.topk import EntropicTopK, entropic_topk

__all__ = ["Condition", "EntropicTopK", "entropic_topk", "image_position", "semantic_position"]
