"""Progress on a terminal as a bar, and elsewhere as plain lines."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rabit.app.errors import note

if TYPE_CHECKING:  # not to load what trains for a bar
    from rabit.training.loop import Progress as TrainingProgress

SECONDS_A_LINE = 30.0


class Bar:
    """A progress bar for a known number of items; without a terminal a line every half minute.

    Args:
        title: what the items are.
    """

    def __init__(self, title: str) -> None:
        console = Console(stderr=True)
        self.title = title
        self.told = time.monotonic()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task(title, total=None)

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def __call__(self, done: int, total: int, title: str | None = None) -> None:
        """Shows how many items are done, and if it is given what comes next."""
        self.title = self.title if title is None else title
        self.progress.update(self.task, completed=done, total=total, description=self.title)
        if self.progress.disable and time.monotonic() - self.told >= SECONDS_A_LINE:
            self.told = time.monotonic()
            note(f"{self.title}: {done} of {total}")


class TrainingDisplay:
    """Losses, pace, memory and the time left while training.

    Args:
        log_every: steps between two lines where there is no terminal.
    """

    def __init__(self, log_every: int) -> None:
        self.log_every = log_every
        self.console = Console()
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]} left  {task.fields[pace]}  {task.fields[memory]}"),
            auto_refresh=False,
        )
        self.task = self.progress.add_task("training", total=None, left="?", pace="", memory="")
        self.live = Live(self.progress, console=self.console)

    def __enter__(self) -> TrainingDisplay:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def __call__(self, told: TrainingProgress) -> None:
        """Shows a step, and what was noticed."""
        losses = "  ".join(f"{name} {value:.3g}" for name, value in told.losses.items())
        left = duration(told.seconds_left)
        pace = f"{told.images_per_second:.3g} images/s"
        memory = f"{told.memory / 2**30:.1f} GiB" if told.memory else ""
        for warning in told.warnings:
            self.console.print(Text(f"step {told.step}: {warning}", style="yellow"))
        if self.console.is_terminal:
            self.progress.update(
                self.task,
                completed=told.step,
                total=told.steps,
                left=left,
                pace=pace,
                memory=memory,
            )
            self.live.update(Group(self.progress, Text(losses)))
        elif told.step % self.log_every == 0 or told.step == told.steps:
            told_so_far = (f"step {told.step}/{told.steps}", f"{left} left", pace, memory, losses)
            self.console.out("  ".join(part for part in told_so_far if part))


def duration(seconds: float) -> str:
    """Returns a time as 3 h 05 min, 2 min 10 s or 9 s."""
    whole = max(round(seconds), 0)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
