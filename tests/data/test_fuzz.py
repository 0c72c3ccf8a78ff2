"""Whatever a file of a corpus holds: a clear error or a batch that networks can read."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rabit.data.batch import Batch, collate
from rabit.data.corpus import SourceCorpus
from rabit.data.generated import write_layout
from rabit.data.layouts.find import open_source
from rabit.data.scenes import write_scenes

SIZE = (16, 16)
COUNTS = {"folder": 3, "ade20k": 5, "celebahq": 3, "celebahq-edge": 3, "deepfashion": 9}
LISTS = (".txt", ".csv")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "HSV", "LAB", "YCbCr")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")


@pytest.fixture(scope="module", params=list(COUNTS))
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated corpus in one of the layouts; no test changes it."""
    root: Path = tmp_path_factory.mktemp("fuzz") / request.param
    if request.param == "folder":
        write_scenes(root, COUNTS["folder"], 0, (64, 64))
    else:
        write_layout(root, request.param, COUNTS[request.param], 0, (64, 64))
    return root


def _with_changed_file(
    corpus: Path, pick: float, change: Callable[[Path], bytes]
) -> tuple[Path, Path]:
    """A copy of a corpus, and its file that holds something else; the copy before is replaced."""
    copy = corpus.with_name(f"{corpus.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(corpus, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    chosen = files[int(pick * len(files))]
    chosen.write_bytes(change(chosen))
    return copy, chosen


def _read_all(root: Path) -> list[Batch]:
    """Reads what a training and a test read of a corpus."""
    source = open_source(root)
    corpora = [SourceCorpus(source, SIZE, train=train) for train in (True, False)]
    return [collate(list(each), len(each.classes)) for each in corpora]


def _check(root: Path, changed: Path) -> None:
    try:
        batches = _read_all(root)
    except (ValueError, FileNotFoundError) as error:
        # It names the file or, where both are at odds, its partner: of one stem or one number.
        stem = changed.stem.split("_")[0]
        spellings = [changed.name, stem, *([f"/{int(stem)}."] if stem.isdecimal() else [])]
        assert any(spelling in str(error) for spelling in spellings), error
        return
    for batch in batches:
        for images in (batch.truth, batch.exemplar):
            assert images.shape[1:] == (3, *SIZE) and bool((images.abs() <= 1).all())
        for condition in (batch.condition, batch.exemplar_condition):
            assert condition.channels.shape[2:] == condition.regions.shape[1:] == SIZE
            assert bool(((condition.channels >= 0) & (condition.channels <= 1)).all())
            assert int(condition.regions.min()) >= 0


def test_what_is_generated_can_be_read(corpus: Path) -> None:
    training, testing = _read_all(corpus)
    assert len(training.names) > 1 and len(testing.names) > 1


FUZZ = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(pick=st.floats(0, 1, exclude_max=True), data=st.binary(max_size=200))
def test_random_bytes(corpus: Path, pick: float, data: bytes) -> None:
    _check(*_with_changed_file(corpus, pick, lambda path: data))


@FUZZ
@given(pick=st.floats(0, 1, exclude_max=True), share=st.floats(0, 1))
def test_truncated_files(corpus: Path, pick: float, share: float) -> None:
    def cut(path: Path) -> bytes:
        data = path.read_bytes()
        return data[: int(share * len(data))]

    _check(*_with_changed_file(corpus, pick, cut))


@FUZZ
@given(
    pick=st.floats(0, 1, exclude_max=True),
    mode=st.sampled_from(MODES),
    form=st.sampled_from(FORMATS),
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    seed=st.integers(0, 99),
)
def test_pictures_of_any_mode(
    corpus: Path, pick: float, mode: str, form: str, size: tuple[int, int], seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 4), dtype=np.uint8)

    def picture(path: Path) -> bytes:
        source = Image.fromarray(noise[..., :3])
        grey = source.convert("L")
        if mode in ("LAB", "HSV"):
            image = Image.merge(mode, source.split())
        elif mode == "I;16":
            image = Image.fromarray(noise[..., 0].astype(np.uint16) * 200)
        else:
            image = (source if mode in ("CMYK", "YCbCr", "RGB", "RGBA") else grey).convert(mode)
        stream = io.BytesIO()
        try:
            with warnings.catch_warnings():
                # Pillow 12 warns of 32-bit PNG files, Pillow 13 makes none.
                warnings.simplefilter("ignore", DeprecationWarning)
                image.save(stream, form)
        except (OSError, ValueError, KeyError):  # the format has no such mode
            grey.save(stream, "PNG")
        return stream.getvalue()

    _check(*_with_changed_file(corpus, pick, picture))


ROW = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(["00000.png", "key", "..", "/etc/passwd", "0.jpg", "1.jpg", "img\\x.jpg"]),
        st.floats().map(str),
        st.integers(-3, 300).map(str),
    ),
    max_size=5,
)


@FUZZ
@given(rows=st.lists(ROW, max_size=5), pick=st.floats(0, 1, exclude_max=True))
def test_random_lists(corpus: Path, rows: list[list[str]], pick: float) -> None:
    separator = "," if pick < 0.5 else " "
    text = "\n".join(separator.join(row) for row in rows)
    root, _ = _with_changed_file(corpus, pick, lambda path: path.read_bytes())
    lists = sorted(path for path in root.rglob("*") if path.suffix in LISTS)
    lists.append(root / "references.csv")
    changed = lists[int(pick * len(lists))]
    changed.write_bytes(text.encode("utf-8", "surrogatepass"))
    _check(root, changed)
