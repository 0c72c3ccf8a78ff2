"""Measures how long the editor takes from the end of a brush stroke to the picture on the screen.

    python benchmarks/editor_latency.py --strokes 20 --out benchmarks/results/editor-latency.json

Serves the embedded model by `rabit serve`, paints strokes in Chromium as a hand does, with previews
on the way, and prints JSON: the milliseconds of each stroke from the browser's own pointerup event
to the second frame after the whole result (with warped exemplar, confidence and matches) was
drawn, their median, versions and hardware.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from editor_browser import await_picture, browser_page, served_editor, stroke, take_class

from rabit.evaluation.environment import environment

_WATCH = """() => {
  const result = document.querySelector("#result");
  const times = [];
  let up = null;
  addEventListener("pointerup", (event) => { up = event.timeStamp; }, true);
  new MutationObserver(() => {
    const began = up;
    requestAnimationFrame(() => requestAnimationFrame(() => times.push(performance.now() - began)));
  }).observe(result, { attributes: true, attributeFilter: ["data-pictures"] });
  window.__times = times;
}"""


def measure(strokes: int, threads: int) -> list[float]:
    """Returns the milliseconds of each stroke."""
    rng = np.random.default_rng(0)
    names = ("foliage", "hill", "roof", "cloud", "road")
    with (
        served_editor("--threads", str(threads)) as address,
        browser_page(address, (1440, 900)) as page,
    ):
        page.evaluate(_WATCH)
        for index in range(strokes + 1):
            take_class(page, names[index % len(names)])
            start = rng.uniform(20, 90, 2)
            points = [tuple(start + step * rng.uniform(2, 5, 2)) for step in range(6)]
            await_picture(page, lambda points=points: stroke(page, points, seconds=0.4))
        page.wait_for_timeout(300)
        times: list[float] = page.evaluate("() => window.__times")
    if len(times) != strokes + 1:
        raise RuntimeError(f"{len(times)} pictures of {strokes + 1} strokes were seen")
    return times[1:]  # the first one warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strokes", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    times = measure(given.strokes, given.threads)
    report: dict[str, Any] = {
        "median_ms": round(statistics.median(times), 1),
        "most_ms": round(max(times), 1),
        "strokes_ms": [round(time, 1) for time in times],
        "environment": environment(torch.device("cpu"), given.threads),
    }
    text = json.dumps(report, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
