"""The editor's page in a real browser: painting, undoing, exemplars, matches, what is saved."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from editor_samples import RunningEditor
from editor_visits import Visit, pixels
from rabit.app.cli import app
from rabit.data.scenes import CLASSES

LAMP = CLASSES.index("lamp")
SKY = CLASSES.index("sky")


@pytest.fixture(scope="module")
def example(editor: RunningEditor) -> np.ndarray:
    """The ids of the example's map."""
    recipe = editor.client.example()
    return pixels(base64.b64decode(recipe["condition"]["labels"]))


def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How much each pixel has changed, of 255."""
    difference: np.ndarray = np.abs(after - before).mean(axis=2)
    return difference


def test_opens_with_an_example_and_its_result(visit: Visit, example: np.ndarray) -> None:
    assert np.array_equal(visit.saved_map(), example)
    names = visit.page.eval_on_selector_all(
        "#palette li", "(rows) => rows.map((row) => row.dataset.name)"
    )
    assert tuple(names) == CLASSES
    assert " ms" in visit.text("#state")
    shown = visit.canvas("#result")
    inside = shown[shown[..., 3] > 0][:, :3]
    assert len(inside) > 400 * 400 and inside.std() > 20
    picture = visit.saved_picture()
    middle = np.array(
        Image.fromarray(shown[..., :3]).crop(_bounds(shown)).resize((128, 128))
    ).astype(int)
    assert np.abs(middle - picture).mean() < 4


def _bounds(shown: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(shown[..., 3])
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_painting_undoing_and_redoing_are_exact(visit: Visit, example: np.ndarray) -> None:
    visit.take_class("lamp")
    visit.picture(lambda: visit.drag([(40.5, 30.5), (90.5, 30.5)]))
    painted = visit.saved_map()
    rows, columns = np.indices(example.shape) + 0.5
    along = np.clip(columns, 40.5, 90.5)
    away = np.hypot(columns - along, rows - 30.5)
    assert (painted[away < 6.5] == LAMP).all()
    assert np.array_equal(painted[away > 7.5], example[away > 7.5])

    visit.take_class("road")
    visit.key("f")
    visit.picture(lambda: visit.click((2.5, 2.5)))
    filled = visit.saved_map()
    sky, _ = ndimage.label(painted == SKY)
    assert (filled[sky == sky[2, 2]] == CLASSES.index("road")).all()
    assert np.array_equal(filled[sky != sky[2, 2]], painted[sky != sky[2, 2]])

    visit.picture(lambda: visit.key("Control+z"))
    assert np.array_equal(visit.saved_map(), painted)
    visit.picture(lambda: visit.page.click("#undo"))
    assert np.array_equal(visit.saved_map(), example)
    assert visit.page.is_disabled("#undo")
    visit.picture(lambda: visit.key("Control+Shift+z"))
    visit.picture(lambda: visit.key("Control+y"))
    assert np.array_equal(visit.saved_map(), filled)


def test_polygon_move_eraser_and_pick(visit: Visit, example: np.ndarray) -> None:
    visit.take_class("lamp")
    visit.key("p")
    for corner in ((20, 20), (50, 20), (50, 45)):
        visit.click(corner)
    visit.picture(lambda: visit.key("Enter"))
    drawn = visit.saved_map()
    rows, columns = np.indices(example.shape) + 0.5
    inside = (columns > 21) & (columns < 49) & (rows > 21) & (rows - 20 < (columns - 22) * 25 / 30)
    assert (drawn[inside] == LAMP).all() and inside.sum() > 200

    visit.key("v")
    visit.click((45, 30))
    for _ in range(3):
        visit.key("Shift+ArrowRight")
    visit.picture(lambda: visit.key("Enter"))
    moved = visit.saved_map()
    assert np.array_equal(moved[:, 30:] == LAMP, drawn[:, :-30] == LAMP)
    assert (moved[:, :30] != LAMP).all()

    visit.key("i")
    visit.click((75, 30))
    assert visit.page.get_attribute(f"#class-{LAMP}", "aria-selected") == "true"
    visit.key("e")
    for _ in range(12):
        visit.key("]")
    visit.drag([(10, 20), (120, 20), (120, 60), (10, 60)])
    visit.wait(lambda: np.array_equal(visit.saved_map(), example), "the original")


def test_moving_turns_and_scales_and_can_be_cancelled(visit: Visit, example: np.ndarray) -> None:
    visit.take_class("lamp")
    visit.page.fill("#search", "")
    visit.key("Escape")
    visit.key("p")
    for corner in ((50, 50), (70, 50), (70, 60), (50, 60)):
        visit.click(corner)
    visit.picture(lambda: visit.key("Enter"))
    before = visit.saved_map()
    visit.key("v")
    visit.click((60, 55))
    visit.page.fill("#scale", "200")
    visit.page.fill("#angle", "90")
    visit.key("Enter")
    visit.picture(lambda: visit.page.click("#apply"))
    rows, columns = np.nonzero(visit.saved_map() == LAMP)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == pytest.approx((40, 20), abs=2)

    visit.picture(lambda: visit.key("Control+z"))
    visit.key("v")
    visit.drag([(60, 55), (90, 80)])
    visit.picture(lambda: visit.page.click("#dismiss"))
    assert np.array_equal(visit.saved_map(), before)


def test_the_result_changes_where_painted_and_not_far_away(
    visit: Visit, example: np.ndarray
) -> None:
    before = visit.saved_picture()
    visit.take_class("roof")
    visit.picture(lambda: visit.drag([(100, 20), (116, 20)]))
    changed = visit.saved_map() != example
    difference = change(before, visit.saved_picture())
    away = ndimage.distance_transform_edt(~changed)
    near, far = difference[changed].mean(), difference[away > 24].mean()
    assert near > 20 and far < near / 10


def test_a_preview_comes_while_the_brush_is_down(visit: Visit) -> None:
    visit.take_class("hill")
    page = visit.page
    page.mouse.move(*visit.place("#condition", (30, 30), (128, 128)))
    page.mouse.down()
    page.mouse.move(*visit.place("#condition", (70, 30), (128, 128)), steps=6)
    visit.wait(lambda: visit.told()["full"] == "false", "a preview")
    visit.picture(page.mouse.up)
    assert visit.told()["full"] == "true"


def test_exemplars_are_added_given_maps_and_regions(
    visit: Visit, example: np.ndarray, scene: tuple[Path, Path]
) -> None:
    photograph, own = scene
    first = visit.saved_picture()
    visit.picture(lambda: visit.choose_files(lambda: visit.page.click("#add"), photograph))
    both = visit.saved_picture()
    assert change(first, both).mean() > 3
    assert visit.page.locator("#strip button").count() == 2
    assert "Without its map" in visit.text("#no-map")

    visit.picture(lambda: visit.choose_files(lambda: visit.page.click("#exemplar-map"), own))
    assert visit.page.locator("#no-map").count() == 0
    visit.picture(lambda: visit.page.click(f".chip[data-class='{SKY}']"))
    sky = example == SKY
    inside = ndimage.distance_transform_edt(sky) > 8
    outside = ndimage.distance_transform_edt(~sky) > 8
    difference = change(first, visit.saved_picture())
    assert difference[inside].mean() > 5 * difference[outside].mean()
    recipe = visit.saved_recipe()
    assert [e["classes"] for e in recipe["exemplars"]] == [None, [SKY]]
    assert base64.b64decode(recipe["exemplars"][1]["condition"]["labels"]) == own.read_bytes()


def test_style_goes_from_one_exemplar_to_the_other(visit: Visit, scene: tuple[Path, Path]) -> None:
    first = visit.saved_picture()
    visit.picture(lambda: visit.choose_files(lambda: visit.page.click("#add"), scene[0]))
    visit.picture(lambda: visit.choose_files(lambda: visit.page.click("#exemplar-map"), scene[1]))

    def mixed(key: str) -> Any:
        visit.page.focus("#mix")
        visit.picture(lambda: visit.key(key))
        return change(first, visit.saved_picture()).mean()

    near, far = mixed("Home"), mixed("End")
    assert near < far / 4
    visit.page.click("#strip button >> nth=1")
    visit.picture(lambda: visit.page.click("[aria-label='Remove street.png']"))
    assert np.array_equal(visit.saved_picture(), first)


def test_hovering_shows_where_a_place_came_from(visit: Visit, editor: RunningEditor) -> None:
    recipe = {**editor.client.example(), "outputs": ["matches"]}
    matches = editor.client.post("/api/match", recipe).json()["matches"]
    x, y = (
        np.frombuffer(base64.b64decode(matches[axis]), "<i2").reshape(
            matches["height"], matches["width"]
        )
        for axis in "xy"
    )
    scale = matches["width"] / 128
    for column, row in ((30, 30), (100, 90)):
        visit.page.mouse.move(*visit.place("#result", (column + 0.5, row + 0.5), (128, 128)))
        at = int(row * scale), int(column * scale)
        expected = f"{x[at]},{y[at]}"
        found = visit.page.get_attribute("#source", "data-match")
        assert found == expected
        assert f"{column}, {row} is from {x[at]}, {y[at]}" in visit.text("#match")
    visit.page.focus("#result")
    visit.key("ArrowDown")
    assert "100, 91 is from" in visit.text("#match")


def test_layers_and_comparison_change_what_is_shown(visit: Visit) -> None:
    image = visit.canvas("#result")
    visit.key("w")
    visit.page.wait_for_timeout(100)
    warped = visit.canvas("#result")
    visit.key("k")
    visit.page.wait_for_timeout(100)
    confidence = visit.canvas("#result")
    assert visit.page.is_visible("#legend")
    assert not np.array_equal(image, warped) and not np.array_equal(warped, confidence)
    visit.key("r")
    visit.take_class("road")
    visit.key("f")
    visit.picture(lambda: visit.click((2, 2)))
    now = visit.canvas("#result")
    visit.key("c")
    visit.page.focus("#divider")
    visit.key("End")
    visit.page.wait_for_timeout(100)
    before = visit.canvas("#result")
    assert np.abs(before.astype(int) - image).mean() < np.abs(before.astype(int) - now).mean() / 10


def test_a_photograph_is_edited_and_keeps_its_pixels(
    visit: Visit, scene: tuple[Path, Path], tmp_path: Path
) -> None:
    photograph, own = scene
    visit.picture(lambda: visit.page.click("#task [data-value=edit]"))
    visit.menu("open-photograph")
    visit.page.set_input_files("#edit-photograph", photograph)
    visit.page.set_input_files("#edit-map", own)
    visit.picture(lambda: visit.page.click("#photograph button[value=edit]"))
    before = pixels(photograph.read_bytes()).astype(int)
    assert np.array_equal(visit.saved_picture(), before)  # nothing is edited yet
    visit.take_class("hill")
    visit.picture(lambda: visit.drag([(60, 20), (80, 24)]))
    labels = pixels(own.read_bytes())
    edited = visit.saved_map() != labels
    difference = change(before, visit.saved_picture())
    away = ndimage.distance_transform_edt(~edited)
    assert difference[edited].mean() > 10 and difference[away > 20].max() == 0
    _replays(visit, tmp_path)
    visit.picture(lambda: visit.page.uncheck("#keep"))
    assert change(before, visit.saved_picture())[away > 20].max() > 0


def _replays(visit: Visit, folder: Path) -> None:
    """Checks that the command line makes the bytes that were saved."""
    recipe, again = folder / "recipe.json", folder / "again.png"
    recipe.write_bytes(visit.saved("recipe"))
    assert json.loads(recipe.read_bytes())["precision"] == "float32"
    saved = visit.saved("picture")
    result = CliRunner().invoke(app, ["replay", str(recipe), "--out", str(again)])
    assert result.exit_code == 0, result.output
    assert again.read_bytes() == saved


def test_what_is_saved_is_made_again_by_the_command_line_and_the_page(
    visit: Visit, scene: tuple[Path, Path], tmp_path: Path
) -> None:
    visit.take_class("foliage")
    visit.picture(lambda: visit.drag([(20, 60), (40, 80)]))
    visit.picture(lambda: visit.choose_files(lambda: visit.page.click("#add"), scene[0]))
    visit.picture(lambda: visit.page.click(f".chip[data-class='{SKY}']"))
    _replays(visit, tmp_path)
    painted, picture = visit.saved_map(), visit.saved("picture")
    visit.picture(lambda: visit.menu("another"))
    assert visit.saved("picture") != picture
    visit.picture(
        lambda: visit.choose_files(lambda: visit.menu("open-recipe"), tmp_path / "recipe.json")
    )
    assert visit.saved("picture") == picture
    assert np.array_equal(visit.saved_map(), painted)
