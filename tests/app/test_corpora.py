"""Which pictures of a folder are trained on and which are held out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rabit.app.corpora import DataOptions, OpenData, TrainingData, open_data, training_data
from rabit.config import ExperimentConfig
from rabit.data.edges import EDGE_CHANNELS, LINE_CHANNELS
from rabit.data.generated import write_layout
from rabit.data.pose import POSE_CHANNELS
from rabit.presets import preset


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    write_layout(tmp_path / "faces", "celebahq", 10, 0, (64, 64))
    (tmp_path / "faces" / "train.txt").write_text("".join(f"{i}.jpg\n" for i in range(5)))
    (tmp_path / "faces" / "val.txt").write_text("8.jpg\n9.jpg\n")
    return tmp_path / "faces"


def _open(root: Path) -> tuple[OpenData, ExperimentConfig]:
    opened = open_data(DataOptions(str(root)))
    return opened, preset("small", opened.channels, opened.kind)


def _names(data: TrainingData) -> set[str]:
    return {data.corpus[index].name for index in range(len(data.corpus))}


def test_a_resumed_run_trains_on_what_it_was_started_with(faces: Path) -> None:
    opened, config = _open(faces)
    started = training_data(opened, config, None)
    assert _names(started) == {"0", "1", "2", "3", "4"} and started.held_out == ("8.jpg", "9.jpg")
    resumed = training_data(opened, config, None, started.held_out)
    assert _names(resumed) == _names(started)


def test_a_split_that_changed_is_named(faces: Path) -> None:
    opened, config = _open(faces)
    started = training_data(opened, config, None)
    (faces / "val.txt").write_text("8.jpg\n7.jpg\n")
    opened, _ = _open(faces)
    with pytest.raises(ValueError, match="7.jpg, 9.jpg changed sides since the run was started"):
        training_data(opened, config, None, started.held_out)


@pytest.mark.parametrize(
    ("channels", "condition"),
    (((), "edges"), (LINE_CHANNELS, "edges"), (EDGE_CHANNELS, "canny"), (POSE_CHANNELS, "edges")),
)
def test_a_folder_is_read_as_the_model_s_training_read_its_edges(
    channels: tuple[str, ...], condition: str, tmp_path: Path
) -> None:
    for folder in ("images", "edges"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 64), "white").save(tmp_path / folder / "a.png")
    source = open_data(DataOptions(str(tmp_path)), "edge", channels).source
    assert source is not None and source.condition == condition


def test_persons_are_on_one_side(tmp_path: Path) -> None:
    root = tmp_path / "persons"
    write_layout(root, "deepfashion", 24, 0, (64, 64))
    for name in ("train.txt", "val.txt"):
        (root / name).unlink()
    opened, config = _open(root)
    data = training_data(opened, config, None)
    held = {Path(name).parent.name for name in data.held_out}
    trained = {Path(name).parent.name for name in _names(data)}
    assert held and trained and not held & trained


def test_one_person_alone_cannot_be_split(tmp_path: Path) -> None:
    root = tmp_path / "persons"
    write_layout(root, "deepfashion", 12, 0, (64, 64))
    for name in ("train.txt", "val.txt"):
        (root / name).unlink()
    opened, config = _open(root)
    assert opened.source is not None
    everyone = tuple(range(len(opened.source)))
    opened.source.partners = tuple(everyone for _ in everyone)
    with pytest.raises(ValueError, match="all pictures show one person or garment"):
        training_data(opened, config, None)
