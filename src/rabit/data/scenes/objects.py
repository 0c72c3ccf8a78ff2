"""What stands before and above the houses: clouds, trees, lamps, persons and cars."""

from __future__ import annotations

from rabit.data.scenes.canvas import Canvas


def draw_cloud(canvas: Canvas, x: float, y: float) -> None:
    """Draws a cloud of a few puffs about (x, y) in pixels."""
    size = canvas.unit * canvas.between(8, 13)
    canvas.ellipse("cloud", x, y, 1.9 * size, 0.5 * size)
    puffs = int(canvas.rng.integers(2, 5))
    for puff in range(puffs):
        offset = 1.1 * size * (2 * (puff + 0.5) / puffs - 1)
        radius = size * canvas.between(0.45, 0.75)
        canvas.ellipse("cloud", x + offset, y - 0.4 * radius, radius, radius)


def draw_tree(canvas: Canvas, x: float, foot: float) -> None:
    """Draws a round, a pointed or a slender tree, or a bush, on (x, foot) in pixels."""
    unit = canvas.unit
    kind = int(canvas.rng.choice(4, p=(0.4, 0.25, 0.2, 0.15)))
    trunk = unit * canvas.between(10, 18)
    crown = unit * canvas.between(11, 17)
    if kind < 3:
        half = unit * canvas.between(1.6, 2.6)
        canvas.rectangle("trunk", x - half, foot - trunk - crown / 2, x + half, foot)
    if kind == 0:
        middle = foot - trunk - 0.8 * crown
        canvas.ellipse("foliage", x, middle, crown, 0.9 * crown)
        for side in (-1, 1):
            puff = crown * canvas.between(0.5, 0.7)
            canvas.ellipse("foliage", x + side * 0.6 * crown, middle + 0.4 * crown, puff, puff)
    elif kind == 1:
        for tier in range(3):
            half, base = crown * (0.95 - 0.2 * tier), foot - 0.6 * trunk - 0.62 * crown * tier
            tip = base - 1.15 * crown
            canvas.polygon("foliage", [(x - half, base), (x, tip), (x + half, base)])
    elif kind == 2:
        canvas.ellipse("foliage", x, foot - 0.6 * trunk - 1.4 * crown, 0.55 * crown, 1.4 * crown)
    else:
        canvas.ellipse("foliage", x, foot - 0.35 * crown, 0.9 * crown, 0.5 * crown)
        canvas.ellipse("foliage", x + 0.5 * crown, foot - 0.5 * crown, 0.5 * crown, 0.5 * crown)


def draw_lamp(canvas: Canvas, x: float, foot: float, tall: float) -> None:
    """Draws a street lamp of the given height on (x, foot), all in pixels."""
    unit = canvas.unit
    top = foot - tall
    canvas.rectangle("lamp", x - unit, top + 4 * unit, x + unit, foot)
    canvas.rectangle("lamp", x - 2.5 * unit, foot - 3 * unit, x + 2.5 * unit, foot)
    canvas.polygon(
        "lamp",
        [
            (x - 3.6 * unit, top + 2 * unit),
            (x, top - unit),
            (x + 3.6 * unit, top + 2 * unit),
            (x + 2.2 * unit, top + 9 * unit),
            (x - 2.2 * unit, top + 9 * unit),
        ],
    )


def draw_person(canvas: Canvas, x: float, foot: float, tall: float) -> None:
    """Draws a person of the given height, in trousers or a dress, on (x, foot), all in pixels."""
    top = foot - tall
    hip, shoulder = top + 0.58 * tall, top + 0.26 * tall
    dressed = canvas.chance(0.4)
    _draw_legs(canvas, x, hip, foot, tall, dressed)
    hem = (0.22 if dressed else 0.12) * tall
    canvas.polygon(
        "person",
        [
            (x - 0.13 * tall, shoulder),
            (x + 0.13 * tall, shoulder),
            (x + hem, hip + 0.1 * tall),
            (x - hem, hip + 0.1 * tall),
        ],
    )
    for side in (-1, 1):
        hand = x + side * tall * (0.14 + canvas.between(0.0, 0.12))
        canvas.polygon(
            "person",
            [
                (x + side * 0.08 * tall, shoulder),
                (x + side * 0.14 * tall, shoulder),
                (hand, top + 0.54 * tall),
                (hand - side * 0.09 * tall, top + 0.54 * tall),
            ],
        )
    canvas.ellipse("person", x, top + 0.13 * tall, 0.125 * tall, 0.14 * tall)


def _draw_legs(
    canvas: Canvas, x: float, hip: float, foot: float, tall: float, dressed: bool
) -> None:
    """Draws striding trousers, or two thin legs under a dress."""
    stride = 0.0 if dressed else tall * canvas.between(0.03, 0.09)
    apart, half = (0.09 * tall, 0.05 * tall) if dressed else (0.06 * tall, 0.08 * tall)
    for side in (-1, 1):
        middle = x + side * apart
        ankle = middle + side * stride
        canvas.polygon(
            "person",
            [
                (middle - half, hip - 1),
                (middle + half, hip - 1),
                (ankle + 0.05 * tall, foot - 1),
                (ankle - 0.05 * tall, foot - 1),
            ],
        )


def draw_car(canvas: Canvas, x: float, ground: float) -> None:
    """Draws a car or a van whose wheels touch the row `ground` about x, in pixels."""
    unit = canvas.unit
    van = canvas.chance(0.35)
    half, tall = unit * canvas.between(18, 23), unit * canvas.between(8, 10)
    facing = 1 if canvas.chance(0.5) else -1
    cabin = unit * (canvas.between(9, 12) if van else canvas.between(7, 10))
    sill = ground - 3 * unit
    belt = sill - tall
    back, front = (-0.98, 0.55) if van else (-0.7, 0.42)
    slope = 0.2 * half
    corners = [
        (x + facing * back * half, belt + 1),
        (x + facing * (back * half + (0.03 * half if van else slope)), belt - cabin),
        (x + facing * (front * half - 0.03 * half), belt - cabin),
        (x + facing * (front * half + slope), belt + 1),
    ]
    canvas.polygon("car", corners)
    canvas.polygon(
        "car",
        [
            (x - facing * half, belt + unit),
            (x - facing * 0.92 * half, belt),
            (x + facing * 0.8 * half, belt),
            (x + facing * half, belt + 0.45 * tall),
            (x + facing * half, sill),
            (x - facing * half, sill),
        ],
    )
    _draw_car_windows(canvas, x, facing * half, belt, cabin, (back, front), van)
    radius = 4.6 * unit
    for side in (-0.58, 0.58):
        middle = x + side * half
        canvas.ellipse("wheel", middle, ground - radius, radius, radius)
        canvas.ellipse("car", middle, ground - radius, 1.4 * unit, 1.4 * unit)


def _draw_car_windows(
    canvas: Canvas,
    x: float,
    half: float,
    belt: float,
    cabin: float,
    ends: tuple[float, float],
    van: bool,
) -> None:
    """Draws the side windows; `half` is negative in a car that faces left."""
    back, front = ends
    pillar = 1.2 * canvas.unit * (1 if half > 0 else -1)
    top, bottom = belt - cabin + 2 * canvas.unit, belt
    post = x + half * (0.5 * (back + front) + (0.3 if van else 0.03))
    if not van:
        rear = x + half * (back + 0.13)
        canvas.polygon(
            "glass",
            [
                (rear, bottom),
                (rear + 0.13 * half, top),
                (post - pillar, top),
                (post - pillar, bottom),
            ],
        )
    canvas.polygon(
        "glass",
        [
            (post + pillar, bottom),
            (post + pillar, top),
            (x + half * (front - 0.04), top),
            (x + half * (front + 0.1), bottom),
        ],
    )
