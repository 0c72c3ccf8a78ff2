"""Triton's interpreter without what it does again and again: half of its time."""

from __future__ import annotations

import os
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="session")
def interpreted_once() -> None:
    """Has the interpreter find what to replace in Triton's language once a launch.

    It looks through the whole language at every call of a device function as well, where the
    launch that the call is a part of has replaced it all.
    """
    if not os.environ.get("TRITON_INTERPRET"):
        return
    import triton.language as tl
    from triton.runtime import interpreter

    replace = interpreter._patch_lang

    def replace_once(function: Any) -> Any:
        seen = [each for each in function.__globals__.values() if each is tl or each is tl.core]
        return replace(function) if any(tl.core.is_builtin(each.load) for each in seen) else None

    interpreter._patch_lang = replace_once
