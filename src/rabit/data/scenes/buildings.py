"""Houses: walls, roofs, windows and doors."""

from __future__ import annotations

from collections.abc import Callable

from rabit.data.scenes.canvas import Canvas


def draw_house(canvas: Canvas, left: float, floor: float, width: float) -> None:
    """Draws one house.

    Args:
        canvas: what to draw on.
        left: x of its left wall, in pixels.
        floor: y of its foot, in pixels.
        width: of its walls, in pixels.
    """
    unit = canvas.unit
    storey = unit * canvas.between(17, 21)
    storeys = int(canvas.rng.integers(1, 4)) if canvas.chance(0.8) else 1
    rise = min(width * canvas.between(0.35, 0.6), unit * 24)
    while storeys > 1 and floor - storeys * storey - rise < 6 * unit:
        storeys -= 1
    eaves = floor - storeys * storey
    if canvas.chance(0.6):
        _draw_chimney(canvas, left, eaves, width, rise)
    roofs = (_draw_gable, _draw_hip, _draw_terrace, _draw_dome)
    chosen: Callable[..., None] = roofs[int(canvas.rng.choice(4, p=(0.42, 0.28, 0.15, 0.15)))]
    chosen(canvas, left, eaves, width, rise)
    canvas.rectangle("facade", left, eaves, left + width, floor)
    _draw_openings(canvas, left, eaves, width, storey, storeys)


def _draw_chimney(canvas: Canvas, left: float, eaves: float, width: float, rise: float) -> None:
    """Draws a chimney that the roof will cover the foot of."""
    x = left + width * canvas.between(0.66, 0.8)
    half = canvas.unit * canvas.between(2, 3)
    canvas.rectangle("facade", x - half, eaves - rise * canvas.between(0.8, 1.0), x + half, eaves)


def _draw_gable(canvas: Canvas, left: float, eaves: float, width: float, rise: float) -> None:
    """Draws a pointed roof, with a gable window where there is room for one."""
    over = 3 * canvas.unit
    middle = left + width / 2
    canvas.polygon(
        "roof", [(left - over, eaves), (middle, eaves - rise), (left + width + over, eaves)]
    )
    if rise > 16 * canvas.unit and canvas.chance(0.6):
        radius = 3.2 * canvas.unit
        canvas.ellipse("window", middle, eaves - 0.38 * rise, radius, radius)


def _draw_hip(canvas: Canvas, left: float, eaves: float, width: float, rise: float) -> None:
    """Draws a roof with a flat ridge and perhaps a dormer."""
    over, rise = 3 * canvas.unit, 0.8 * rise
    inset = width * canvas.between(0.1, 0.25)
    right = left + width
    canvas.polygon(
        "roof",
        [
            (left - over, eaves),
            (left + inset, eaves - rise),
            (right - inset, eaves - rise),
            (right + over, eaves),
        ],
    )
    if rise > 11 * canvas.unit and canvas.chance(0.6):
        x, half = left + width * canvas.between(0.4, 0.6), 4.5 * canvas.unit
        canvas.rectangle("facade", x - half, eaves - 0.75 * rise, x + half, eaves)
        canvas.rectangle(
            "window", x - 0.6 * half, eaves - 0.6 * rise, x + 0.6 * half, eaves - 0.1 * rise
        )


def _draw_terrace(canvas: Canvas, left: float, eaves: float, width: float, rise: float) -> None:
    """Draws a flat roof: a cornice, perhaps stepped."""
    thick = canvas.unit * canvas.between(4, 7)
    over = 2 * canvas.unit
    if canvas.chance(0.5):
        inset = width * canvas.between(0.2, 0.32)
        top = eaves - thick - 0.35 * rise
        canvas.rectangle("roof", left + inset, top, left + width - inset, eaves)
    canvas.rectangle("roof", left - over, eaves - thick, left + width + over, eaves)


def _draw_dome(canvas: Canvas, left: float, eaves: float, width: float, rise: float) -> None:
    """Draws a round roof."""
    canvas.ellipse("roof", left + width / 2, eaves, width / 2 + canvas.unit, 0.9 * rise)


def _draw_openings(
    canvas: Canvas, left: float, eaves: float, width: float, storey: float, storeys: int
) -> None:
    """Draws the door and the rows of windows."""
    unit = canvas.unit
    columns = max(2, int(width / (unit * canvas.between(12, 16))))
    pitch = width / columns
    half_width = min(0.34 * pitch, unit * canvas.between(3.2, 5.2))
    half_height = storey * canvas.between(0.24, 0.32)
    arched = canvas.chance(0.35)
    door_column = int(canvas.rng.integers(columns))
    for row in range(storeys):
        y = eaves + (row + 0.48) * storey
        for column in range(columns):
            x = left + (column + 0.5) * pitch
            if row == storeys - 1 and column == door_column:
                _draw_door(canvas, x, eaves + storeys * storey, storey, arched)
                continue
            canvas.rectangle(
                "window", x - half_width, y - half_height, x + half_width, y + half_height
            )
            if arched:
                canvas.ellipse("window", x - 0.5, y - half_height, half_width - 0.5, half_width)


def _draw_door(canvas: Canvas, x: float, floor: float, storey: float, arched: bool) -> None:
    """Draws a door, round at the top where the windows are."""
    half, tall = 4.4 * canvas.unit, 0.72 * storey
    canvas.rectangle("door", x - half, floor - tall, x + half, floor)
    if arched:
        canvas.ellipse("door", x - 0.5, floor - tall, half - 0.5, 0.16 * storey)
