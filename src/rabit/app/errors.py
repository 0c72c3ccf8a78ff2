"""How commands end: errors of users as one line on stderr, and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

INTERRUPTED = 130
USER_ERRORS = (ValueError, OSError, FloatingPointError)
OUT_OF_MEMORY = (
    "there is not enough memory for this; use smaller pictures, and for training a smaller --size "
    "or --batch"
)
LOST_WORKER = (
    "a process that prepares samples was killed, as happens where memory runs out; go on with "
    "--resume, and with fewer --workers"
)


class Commands(TyperGroup):
    """Commands whose users see what to do instead of a traceback.

    A wrong value, a file that cannot be read or written, too little memory, or a loss that is no
    number ends with one line on stderr and exit code 1; Ctrl-C with exit code 130.
    """

    def invoke(self, ctx: Any) -> Any:
        """Runs a command, turning its errors into a line and an exit code."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except USER_ERRORS as error:
            typer.echo(f"error: {describe(error)}", err=True)
            raise typer.Exit(1) from error
        except (MemoryError, RuntimeError) as error:
            if "DataLoader worker" in str(error):
                text = LOST_WORKER
            elif is_memory_error(error):
                text = OUT_OF_MEMORY
            else:
                raise
            typer.echo(f"error: {text}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from error


def describe(error: Exception) -> str:
    """Returns an error as one line: what it says, or for the system's errors file and reason."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror}"
    return " ".join(text.split()) or type(error).__name__


def is_memory_error(error: MemoryError | RuntimeError) -> bool:
    """Tells whether Python, NumPy or one of PyTorch's allocators ran out of memory."""
    torch = sys.modules.get("torch")  # not imported for this: it takes seconds
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    text = str(error)
    return "allocate memory" in text or "not enough memory" in text


def speaks() -> bool:
    """Tells whether this process is the one that prints, of those launched together."""
    return os.environ.get("RANK", "0") == "0"


def note(text: str) -> None:
    """Prints a remark on stderr."""
    if speaks():
        typer.echo(f"note: {text}", err=True)
