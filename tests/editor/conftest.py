"""A browser and a server, for the tests of the editor's page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from browsers import chromium
from editor_samples import RunningEditor, serving_editor
from editor_visits import Visit
from rabit.data.scenes import render, sample_layout, sample_style

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def editor(browser: Browser) -> Iterator[RunningEditor]:
    """A server with the embedded model."""
    with serving_editor() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, editor: RunningEditor) -> Iterator[Visit]:
    """A window with the page, whose example has got its picture."""
    opened = Visit(browser, editor.url).open()
    yield opened
    opened.close()


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Path]:
    """A generated photograph and its map, as files."""
    rng = np.random.default_rng(11)
    labels = sample_layout(rng, (128, 128))
    photograph, own = tmp_path / "street.png", tmp_path / "street-map.png"
    Image.fromarray(render(labels, sample_style(rng))).save(photograph)
    Image.fromarray(labels).save(own)
    return photograph, own
