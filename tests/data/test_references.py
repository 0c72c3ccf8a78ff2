from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rabit.data import references
from rabit.data.references import GRID, Layout, rank_references, read_references
from rabit.data.text import relative_name
from rabit.data.transforms import resize_labels

NAMES = ("a.jpg", "b.jpg", "c.jpg")


def _maps(count: int, classes: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.choice(classes, (5, 4), p=rng.dirichlet(np.ones(classes))).repeat(8, 0).repeat(8, 1)
        for _ in range(count)
    ]


def _plain_likeness(first: np.ndarray, second: np.ndarray, classes: int) -> float:
    """The definition: one-hot maps and shares as vectors, two cosines, each from scratch."""

    def cosine(x: np.ndarray, y: np.ndarray) -> float:
        return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))

    eye = np.eye(classes)
    small = [eye[resize_labels(m, (GRID, GRID))] for m in (first, second)]
    shares = [eye[m].mean(axis=(0, 1)) for m in (first, second)]
    return cosine(*small) + cosine(*shares)


@pytest.mark.parametrize("chunk", [1, 2**25])
def test_ranking_equals_a_plain_reference(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_CHUNK", chunk)
    maps = _maps(14)
    ranked = rank_references([Layout.of(m) for m in maps], count=5)
    assert ranked.shape == (14, 5)
    for row, mine in zip(ranked.tolist(), maps, strict=True):
        likeness = [_plain_likeness(mine, other, 4) for other in maps]
        own = [i for i, m in enumerate(maps) if m is mine]
        best = sorted((i for i in range(14) if i not in own), key=lambda i: -likeness[i])
        np.testing.assert_allclose(
            [likeness[i] for i in row], [likeness[i] for i in best[:5]], atol=1e-6
        )
        assert own[0] not in row and len(set(row)) == 5


def test_fewer_maps_than_references() -> None:
    ranked = rank_references([Layout.of(m) for m in _maps(3)])
    assert ranked.shape == (3, 2)
    with pytest.raises(ValueError, match="1 label maps.*give 2 or more"):
        rank_references([Layout.of(m) for m in _maps(1)])


def test_of_equally_like_maps_the_earlier_comes_first() -> None:
    layout = Layout.of(np.zeros((16, 16), np.int64))
    np.testing.assert_array_equal(rank_references([layout] * 3), [[1, 2], [0, 2], [0, 1]])


def test_read_references(tmp_path: Path) -> None:
    path = tmp_path / "references.csv"
    path.write_bytes(b"key,ref1,ref2\r\na.jpg,b.jpg,./c.jpg\r\n\r\nb, c.jpg ,,\r\n")
    assert read_references(path, NAMES) == {0: (1, 2), 1: (2,)}


def test_backslashes_stand_for_slashes(tmp_path: Path) -> None:
    path = tmp_path / "references.csv"
    path.write_text("x\\a.jpg,x\\y\\b.jpg\n")
    assert read_references(path, ("x/a.jpg", "x/y/b.jpg")) == {0: (1,)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.jpg,d.jpg\n", "line 1: there is no image 'd.jpg'; .* rabit data pairs FOLDER --ov"),
        (b"a.jpg,b.jpg\nq,b.jpg\n", "line 2: there is no image 'q'"),
        (b"a.jpg\n", "line 1: 'a.jpg' has no reference"),
        (b"a.jpg,b.jpg\na,c.jpg\n", "line 2: a second row for 'a'"),
        (b"a.jpg,../labels/b.png\n", "line 1: .* no file name inside the folder"),
        (b"a.jpg,/etc/passwd\n", "line 1: .* no file name inside the folder"),
        (b"a.jpg,,b.jpg\n", "line 1: '' is no file name"),
        (b'a.jpg,"b.jpg\n', "line 1 is no CSV"),
        (b"a.jpg,\xff\n", "not UTF-8"),
    ],
)
def test_bad_reference_lists(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "references.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"references\.csv: {message}"):
        read_references(path, NAMES)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../../x", "/x", "\\x", "..\\x", "C:\\x", "c:x", "//host/x", "a\x00"],
)
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"list\.csv: .*no file name inside the folder"):
        relative_name(name, "list.csv")


def test_names_inside_are_normalised() -> None:
    assert relative_name(".\\a//b/../c.png", "list.csv") == "a/c.png"


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text(alphabet='abc.jpg,"\n\r/\\ \x00\u2028', max_size=60).map(str.encode),
    )
)
def test_any_bytes_as_references(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "references.csv"
    path.write_bytes(content)
    try:
        for key, listed in read_references(path, NAMES).items():
            assert listed and {key, *listed} <= {0, 1, 2}
    except (ValueError, OSError) as error:
        assert "references.csv" in str(error)


def test_some_maps_are_ranked_among_some(  # as all among all, with the others left out
) -> None:
    layouts = [Layout.of(labels) for labels in _maps(9)]
    whole = rank_references(layouts, 8)
    candidates = [1, 2, 4, 7, 8]
    ranked = rank_references(layouts, 3, queries=[7, 0], candidates=candidates)
    for row, query in zip(ranked.tolist(), (7, 0), strict=True):
        expected = [other for other in whole[query] if other in candidates]
        assert row == expected[:3]


@pytest.mark.parametrize(
    ("factor", "shift"), ((1000, 24), (1_000_003, 5), (65_536, 0), (2**40, 7), (1, -3))
)
def test_ids_of_any_size_are_told_apart(factor: int, shift: int) -> None:
    maps = _maps(9)
    large = [Layout.of(labels * factor + shift) for labels in maps]
    plain = rank_references([Layout.of(labels) for labels in maps])
    np.testing.assert_array_equal(rank_references(large), plain)


def test_ids_of_one_map_alone_are_like_no_other() -> None:
    """As of instances that are numbered through all pictures."""
    maps = _maps(9)
    maps[4] = maps[4] + 2**33
    ranked = rank_references([Layout.of(labels) for labels in maps])
    assert all(row[-1] == 4 for row in np.delete(ranked, 4, axis=0).tolist())
    np.testing.assert_array_equal(ranked[4], [0, 1, 2, 3, 5, 6, 7, 8])
