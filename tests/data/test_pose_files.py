from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rabit.data.pose import Joints, read_joints, write_joints_json, write_joints_text
from samples import samples

CANDIDATES = "10 20 0.9 0\n11.5 21 0.8 1\n12 22 0.7 2\n"
fuzzing = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _joints(seed: int = 0) -> Joints:
    rng = np.random.default_rng(seed)
    seen = rng.random(18) < 0.6
    return Joints(np.where(seen[:, None], rng.uniform(-5, 300, (18, 2)), 0), seen)


def _text(folder: Path, candidate: str, subset: str) -> Path:
    (folder / "a_subset.txt").write_text(subset, encoding="utf-8")
    path = folder / "a_candidate.txt"
    path.write_text(candidate, encoding="utf-8")
    return path


def _subset(indices: dict[int, float], score: float = 1, count: float = 1) -> str:
    row = [indices.get(joint, -1) for joint in range(18)]
    return " ".join(str(value) for value in [*row, score, count]) + "\n"


def _json(folder: Path, content: object) -> Path:
    path = folder / "a_keypoints.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _same(joints: Joints, expected: Joints) -> None:
    np.testing.assert_array_equal(joints.seen, expected.seen)
    np.testing.assert_array_equal(joints.places, expected.places)


def test_text_is_read_by_the_rows_of_the_subset(tmp_path: Path) -> None:
    joints = read_joints(_text(tmp_path, CANDIDATES, _subset({0: 1, 1: 0, 17: 2})))
    assert np.flatnonzero(joints.seen).tolist() == [0, 1, 17]
    np.testing.assert_array_equal(joints.places[[0, 1, 17]], [(11.5, 21), (10, 20), (12, 22)])


@pytest.mark.parametrize("seed", range(5))
def test_what_is_written_is_read_back(tmp_path: Path, seed: int) -> None:
    joints = _joints(seed)
    write_joints_text(tmp_path / "a.b", joints)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.b_candidate.txt",
        "a.b_subset.txt",
    ]
    _same(read_joints(tmp_path / "a.b_candidate.txt"), joints)
    write_joints_json(tmp_path / "a.json", joints)
    _same(read_joints(tmp_path / "a.json"), joints)


def test_nobody_is_written_and_read(tmp_path: Path) -> None:
    write_joints_text(tmp_path / "a", Joints.none())
    write_joints_json(tmp_path / "a.json", Joints.none())
    for name in ("a_candidate.txt", "a.json"):
        assert not read_joints(tmp_path / name).seen.any()


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    write_joints_text(tmp_path / "a", _joints())
    write_joints_json(tmp_path / "a.json", _joints())
    with pytest.raises(FileExistsError, match="a_candidate.txt"):
        write_joints_text(tmp_path / "a", _joints(1))
    with pytest.raises(FileExistsError, match=r"a\.json"):
        write_joints_json(tmp_path / "a.json", _joints(1))
    _same(read_joints(tmp_path / "a_candidate.txt"), _joints())
    write_joints_text(tmp_path / "a", _joints(1), overwrite=True)
    _same(read_joints(tmp_path / "a_candidate.txt"), _joints(1))
    with pytest.raises(ValueError, match=r"a\.txt: cannot write a pose"):
        write_joints_json(tmp_path / "a.txt", _joints())


def test_of_several_persons_the_best_is_taken(tmp_path: Path) -> None:
    subset = _subset({0: 0}, score=2) + _subset({0: 1}, score=5) + _subset({0: 2}, score=3)
    assert read_joints(_text(tmp_path, CANDIDATES, subset)).places[0].tolist() == [11.5, 21]
    subset = _subset({0: 0}) + _subset({0: 1, 1: 2}) + _subset({0: 2, 3: 1})
    assert read_joints(_text(tmp_path, CANDIDATES, subset)).places[0].tolist() == [11.5, 21]
    people = [{"pose_keypoints_2d": [x, 0, sure] * 18} for x, sure in ((1, 0.5), (2, 0.9))]
    assert read_joints(_json(tmp_path, {"people": people})).places[0].tolist() == [2, 0]


def test_body_25_gives_the_same_18_joints(tmp_path: Path) -> None:
    triples = np.stack([np.arange(25), np.arange(25) + 100, np.ones(25)], axis=1)
    triples[5, 2] = 0
    joints = read_joints(
        _json(tmp_path, {"people": [{"pose_keypoints_2d": triples.ravel().tolist()}]})
    )
    # The middle of the hips, number 8, is left out, and so are the feet from 19 on.
    expected = [*range(8), *range(9, 19)]
    assert joints.places[joints.seen, 0].tolist() == [i for i in expected if i != 5]
    assert not joints.seen[5] and joints.seen.sum() == 17


def test_older_json_is_read(tmp_path: Path) -> None:
    path = _json(tmp_path, {"people": [{"pose_keypoints": [3, 4, 0.5] * 18}]})
    assert read_joints(path).places.tolist() == [[3, 4]] * 18


@pytest.mark.parametrize(
    ("candidate", "subset", "message"),
    [
        ("1 2 3\n", _subset({}), "a_candidate.txt: line 1 has 3 numbers, expected 4"),
        ("\n1 x 1 0\n", _subset({}), "a_candidate.txt: line 2: 'x' is no number"),
        ("1 nan 1 0\n", _subset({}), "a_candidate.txt: line 1: 'nan' is not finite"),
        ("1 1e400 1 0\n", _subset({}), "is not finite"),
        ("1 2e9 1 0\n", _subset({0: 0}), r"line 1: place \(1, 2e\+09\)"),
        (CANDIDATES, "0 1\n", "a_subset.txt: line 1 has 2 numbers, expected 20"),
        (CANDIDATES, _subset({2: 3}), "line 1: index 3 of the right shoulder.* 3 rows"),
        (CANDIDATES, _subset({2: -2}), "index -2 of the right shoulder"),
        (CANDIDATES, _subset({0: 0.5}), "index 0.5 of the nose"),
        ("", _subset({0: 0}), "0 rows of a_candidate.txt"),
    ],
)
def test_malformed_text_is_refused(
    tmp_path: Path, candidate: str, subset: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_joints(_text(tmp_path, candidate, subset))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no list `people`"),
        ({"people": 3}, "no list `people`"),
        ({"people": [3]}, r"people\[0\] has no list `pose_keypoints_2d`"),
        ({"people": [{"pose_keypoints_2d": None}]}, "has no list"),
        ({"people": [{"pose_keypoints_2d": [1] * 51}]}, "has 51 numbers, expected 54"),
        ({"people": [{"pose_keypoints_2d": [1] * 53 + ["x"]}]}, r"_2d\[53\]: 'x' is no number"),
        ({"people": [{"pose_keypoints_2d": [1] * 53 + [[]]}]}, r"\[\] is no number"),
        ({"people": [{"pose_keypoints_2d": [True] * 54}]}, "True is no number"),
        ({"people": [{"pose_keypoints_2d": [float("inf")] * 54}]}, "inf is not finite"),
        ({"people": [{"pose_keypoints_2d": [10**400] * 54}]}, "is no number"),
        ({"people": [{"pose_keypoints_2d": [1e9] * 54}]}, "expected pixels"),
    ],
)
def test_malformed_json_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_joints(_json(tmp_path, content))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a_candidate.txt"):
        read_joints(tmp_path / "a_candidate.txt")
    (tmp_path / "a_candidate.txt").write_text(CANDIDATES, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="a_subset.txt"):
        read_joints(tmp_path / "a_candidate.txt")
    with pytest.raises(ValueError, match=r"a\.txt: no file of a pose"):
        read_joints(tmp_path / "a.txt")
    (tmp_path / "a.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ValueError, match="no JSON text"):
        read_joints(tmp_path / "a.json")


def _is_read_or_refused(path: Path) -> None:
    try:
        joints = read_joints(path)
    except ValueError as error:
        assert path.name.removesuffix("_candidate.txt") in str(error)
    else:
        assert np.isfinite(joints.places[joints.seen]).all()


@fuzzing
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, first: bytes, second: bytes) -> None:
    (tmp_path / "a_candidate.txt").write_bytes(first)
    (tmp_path / "a_subset.txt").write_bytes(second)
    (tmp_path / "a.json").write_bytes(first)
    _is_read_or_refused(tmp_path / "a_candidate.txt")
    _is_read_or_refused(tmp_path / "a.json")


numbers = st.one_of(st.integers(-3, 5), st.floats(), st.sampled_from(["", "x", "1_0", "١", "-0"]))


@fuzzing
@given(
    st.lists(st.lists(numbers, min_size=4, max_size=4), max_size=4),
    st.lists(st.lists(numbers, min_size=20, max_size=20), max_size=3),
)
def test_any_numbers_are_read_or_refused(
    tmp_path: Path, first: list[list[object]], second: list[list[object]]
) -> None:
    tables = ["\n".join(" ".join(map(str, row)) for row in table) for table in (first, second)]
    _is_read_or_refused(_text(tmp_path, *tables))


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["people", "pose_keypoints_2d"]), inner, max_size=2),
    ),
    max_leaves=8,
)


@settings(fuzzing, max_examples=25)
@given(values, st.lists(values, min_size=54, max_size=54))
def test_any_json_is_read_or_refused(tmp_path: Path, content: object, listed: list[object]) -> None:
    _is_read_or_refused(_json(tmp_path, content))
    _is_read_or_refused(_json(tmp_path, {"people": [{"pose_keypoints_2d": listed}]}))


def test_real_deepfashion_files_are_read() -> None:
    folder = samples("samples/DeepFashion")
    paths = sorted(folder.rglob("*_candidate.txt"))
    assert paths
    for path in paths:
        joints = read_joints(path)
        rows = np.loadtxt(path)[:, :2]
        # One person; some files list joints that are nobody's as well.
        indices = np.loadtxt(str(path).replace("_candidate", "_subset"))[:18].astype(int)
        np.testing.assert_array_equal(joints.seen, indices >= 0)
        np.testing.assert_array_equal(joints.places[joints.seen], rows[indices[indices >= 0]])


def test_real_street_photographs_files_are_read() -> None:
    paths = sorted((samples("fashion") / "pose").glob("*_candidate.txt"))
    seen = np.array([read_joints(path).seen.sum() for path in paths[:200]])
    assert (seen > 10).all() and (seen == 18).mean() > 0.7
