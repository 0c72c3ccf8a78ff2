"""The editor's page with models of poses, of edges, of many classes and without alignment."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from editor_samples import RunningEditor, serving_editor
from editor_visits import Visit, pixels
from rabit.inference import Translator
from rabit.model.network import build_network
from recipes import model_of, translator_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MANY = tuple(f"thing {number}" for number in range(300))


@pytest.fixture(scope="module")
def kinds(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEditor]:
    """A server with an untrained model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    many = model_of("many", "semantic", MANY)
    translators = [translator_of(name) for name in ("poses", "edges", "faces", "unaligned")]
    for translator in [*translators, Translator(build_network(many, seed=1), many)]:
        translator.save(folder / translator.config.name)
    names = ("unaligned", "poses", "edges", "faces", "many")
    with serving_editor(models=[str(folder / name) for name in names]) as running:
        yield running


@pytest.fixture
def guest(browser: Browser, kinds: RunningEditor) -> Iterator[Visit]:
    opened = Visit(browser, kinds.url, expected="404").open()
    yield opened
    opened.close()


def choose_model(guest: Visit, name: str) -> None:
    guest.page.select_option("#model", name)
    guest.wait(lambda: guest.told()["state"] == "ready", name)


def joints_of(guest: Visit) -> list[Any]:
    joints: list[Any] = guest.saved_recipe()["condition"]["joints"]
    return joints


def test_a_model_without_alignment_has_a_picture_only(guest: Visit) -> None:
    assert guest.page.is_disabled("#layer [data-value=warped]")
    assert guest.saved_picture().std() > 1
    guest.page.mouse.move(*guest.place("#result", (30, 30), (64, 64)))
    assert guest.page.get_attribute("#source", "data-match") in (None, "")


def test_joints_are_dragged_removed_and_put_back(guest: Visit, tmp_path: Path) -> None:
    guest.picture(lambda: choose_model(guest, "poses"))
    before = joints_of(guest)
    condition = guest.saved_recipe()["condition"]
    size = condition["size"][1], condition["size"][0]
    wrist = 4
    x, y = before[wrist][0] + 0.5, before[wrist][1] + 0.5
    guest.picture(lambda: guest.drag([(x, y), (x - 6, y + 3)], size))
    after = joints_of(guest)
    assert after[wrist] == pytest.approx([x - 6.5, y + 2.5], abs=0.5)
    assert after[:wrist] + after[wrist + 1 :] == before[:wrist] + before[wrist + 1 :]

    guest.page.focus("#condition")
    guest.picture(lambda: guest.key("Delete"))
    assert joints_of(guest)[wrist] is None
    assert "missing" in guest.text(f"#class-{wrist}")
    guest.page.click(f"#class-{wrist}")
    guest.picture(lambda: guest.click((4, 4), size))
    assert joints_of(guest)[wrist] == pytest.approx([3.5, 3.5], abs=0.5)
    for _ in range(3):
        guest.picture(lambda: guest.page.click("#undo"))
    assert joints_of(guest) == before

    pose = tmp_path / "pose.json"
    pose.write_bytes(guest.saved("map"))
    guest.picture(lambda: guest.choose_files(lambda: guest.menu("open-map"), pose))
    assert joints_of(guest) == before


def test_lines_are_drawn_erased_and_taken_from_a_photograph(
    guest: Visit, scene: tuple[Path, Path]
) -> None:
    choose_model(guest, "edges")
    if not guest.page.locator("#details strong").count():
        guest.picture(lambda: guest.choose_files(lambda: guest.page.click("#add"), scene[0]))
    blank = guest.saved_map()
    size = blank.shape[1], blank.shape[0]
    guest.picture(lambda: guest.drag([(10.5, 20.5), (50.5, 20.5)], size))
    lines = pixels(base64.b64decode(guest.saved_recipe()["condition"]["lines"]))
    assert (lines[20, 10:50] == 0).all() and (lines[24:26] == blank[24:26]).all()
    guest.key("e")
    guest.picture(lambda: guest.drag([(10.5, 20.5), (50.5, 20.5)], size))
    assert np.array_equal(guest.saved_map(), blank)

    guest.picture(lambda: guest.choose_files(lambda: guest.menu("open-edges"), scene[0]))
    assert guest.saved_recipe()["condition"]["lines"] == base64.b64encode(
        scene[0].read_bytes()
    ).decode("ascii")
    traced = guest.saved_map() == 0
    assert 0.02 < traced.mean() < 0.4
    guest.key("b")
    guest.picture(lambda: guest.drag([(5.5, 5.5), (100.5, 5.5)], (128, 128)))
    drawn = pixels(base64.b64decode(guest.saved_recipe()["condition"]["lines"]))
    assert (drawn[5, 6:100] == 0).all() and np.array_equal(drawn[40:] == 0, traced[40:])
    guest.picture(lambda: guest.page.click("#undo"))
    assert len(guest.saved_recipe()["condition"]["lines"]) > 1000


NO_POSES: list[dict[str, Any]] = [
    {"joints": [[1, 2]]},
    {"joints": [["a", "b"]] * 18},
    {"joints": [[1, 2]] * 18, "size": [10**9, 10**9]},
    {"joints": [[1, 2]] * 18, "size": "ab"},
    {"joints": [[1, 2]] * 18, "size": [0, 0]},
    {"joints": [None] * 18, "size": [64, 64]},
    {"joints": [[1e300, 0]] * 18, "size": [64, 64]},
    {"people": [{"pose_keypoints_2d": [None] * 54}]},
]


def _is_told(guest: Visit, start: str) -> bool:
    return guest.text("#error-condition").startswith(start)


def test_poses_that_are_none_change_nothing(guest: Visit, tmp_path: Path) -> None:
    choose_model(guest, "poses")
    for number, wrong in enumerate(NO_POSES):
        file = tmp_path / f"wrong-{number}.json"
        file.write_text(json.dumps(wrong))
        guest.choose_files(lambda: guest.menu("open-map"), file)
        refused = partial(_is_told, guest, f"{file.name}: ")
        guest.wait(refused, f"the refusal of {wrong}")
        assert guest.page.is_disabled("#undo") and guest.told()["state"] == "ready"


def test_lines_of_large_photographs_are_found_in_smaller_ones(guest: Visit, tmp_path: Path) -> None:
    choose_model(guest, "edges")
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(b"no picture")
    guest.choose_files(lambda: guest.menu("open-edges"), wrong)
    guest.wait(lambda: guest.page.is_visible("#error-condition"), "the refusal")
    assert guest.text("#error-condition").startswith("wrong.jpg is no picture")
    Image.new("RGB", (4200, 60), (90, 30, 30)).save(wrong)
    guest.choose_files(lambda: guest.menu("open-edges"), wrong)
    guest.wait(lambda: "4096 × 58" in guest.text("#condition-told"), "the lines")


def test_hundreds_of_classes_have_exact_ids_of_16_bits(
    guest: Visit, scene: tuple[Path, Path], tmp_path: Path
) -> None:
    choose_model(guest, "many")
    guest.picture(lambda: guest.choose_files(lambda: guest.page.click("#add"), scene[0]))
    assert guest.page.locator("#palette li").count() == 300
    guest.page.fill("#search", "29")
    assert guest.page.locator("#palette li:visible").count() == 13
    guest.key("Escape")
    guest.take_class("thing 299")
    guest.picture(lambda: guest.drag([(20, 20), (40, 20)], (64, 64)))
    file = guest.saved("map")
    ids = pixels(file)
    assert ids.dtype.itemsize > 1 and set(np.unique(ids)) == {0, 299}

    own = tmp_path / "own.png"
    wanted = np.arange(64 * 64).reshape(64, 64) % 300
    Image.fromarray(wanted.astype(np.uint16)).save(own)
    guest.picture(lambda: guest.choose_files(lambda: guest.menu("open-map"), own))
    assert np.array_equal(guest.saved_map(), wanted)
    guest.picture(lambda: guest.page.click("#undo"))
    assert np.array_equal(guest.saved_map(), ids)


def test_a_blank_map_has_the_size_and_class_asked_for(guest: Visit) -> None:
    before = guest.saved_map()
    guest.take_class("road")
    guest.menu("new-map")
    guest.page.fill("#blank-width", "96")
    guest.page.fill("#blank-height", "64")
    guest.picture(lambda: guest.page.click("#blank button[value=make]"))
    made = guest.saved_map()
    assert made.shape == (64, 96) and len(np.unique(made)) == 1
    assert guest.saved_picture().shape == (64, 96, 3)
    guest.picture(lambda: guest.page.click("#undo"))
    assert np.array_equal(guest.saved_map(), before)
