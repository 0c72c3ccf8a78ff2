from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import Result

from rabit import __version__
from rabit.app import commands, data_scenes_command
from rabit.app.display import SECONDS_A_LINE, Bar, duration
from rabit.app.errors import describe
from rabit.app.options import parse_size, pick_device

Run = Callable[..., Result]

COMMANDS = (
    ["train"],
    ["translate"],
    ["match"],
    ["edit"],
    ["demo"],
    ["evaluate"],
    ["data", "scenes"],
    ["data", "check"],
    ["data", "pairs"],
    ["data", "edits"],
    ["data", "shard"],
)


def test_version(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.strip() == f"rabit {__version__}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(run: Run, command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    rows = re.split(r"\n  (?=--|\w+ <|\[)", result.stdout)[1:]
    assert len(rows) >= 5
    for row in rows:
        name, _, text = row.partition("  ")
        assert text.strip(), f"{name} has no help text"


def loaded(code: str) -> set[str]:
    """Returns the packages that a new Python has imported after some code."""
    tell = "print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys, contextlib\n{code}\n{tell}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stdout.splitlines()[-1].split())


def test_a_command_imports_what_it_needs_and_nothing_of_the_others() -> None:
    others = {"matplotlib", "scipy", "skimage", "accelerate", "fastapi", "huggingface_hub"}
    translating = loaded(
        "from typer.main import get_command\n"
        "from rabit.app.cli import app\n"
        "assert get_command(app).commands['translate'].name == 'translate'"
    )
    assert "torch" in translating and translating & others == set()
    version = loaded(
        "from rabit.app.cli import app\nwith contextlib.suppress(SystemExit): app(['--version'])"
    )
    assert version & {"torch", *others} == set()


def ended(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a command in a new Python that tells when it is taken apart at its end."""
    code = (
        "import atexit, sys\natexit.register(print, 'taken apart')\n"
        "from rabit.app.cli import main\nsys.argv[0] = 'rabit'\nmain()"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_command_that_makes_a_picture_ends_at_once_and_complete(model: Path, files: Path) -> None:
    given = ("translate", files / "a-map.png", files / "b.png", "--model", model)
    made = ended(*given, "--out", files / "made.png")
    assert (made.returncode, made.stdout) == (0, f"out: {files / 'made.png'}\n")
    assert "no --exemplar-condition" in made.stderr
    with Image.open(files / "made.png") as picture:
        assert picture.size == (64, 64)
    wrong = ended(*given, "--out", files / "made.jpg")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "expected a name that ends in .png" in wrong.stderr
    assert ended("--version").stdout.splitlines()[1:] == ["taken apart"]


def test_what_fails_in_a_command_s_import_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise KeyError("HOME")

    monkeypatch.setattr(commands, "import_module", fail)
    with pytest.raises(KeyError, match="HOME"):
        commands.ImportedCommands(commands.PLACES).get("translate")
    assert commands.ImportedCommands(commands.PLACES).get("trnslate") is None


def test_a_mistyped_command_is_answered_with_one_that_there_is(run: Run) -> None:
    result = run("trnslate")
    assert result.exit_code == 2 and "Did you mean 'translate'?" in result.stderr
    assert "translate" in run("--help").stdout


def test_scenes_are_written_once(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    given = ("data", "scenes", "--out", out, "--count", 2, "--seed", 4, "--size", "64x80")
    result = run(*given)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"2 scenes: {out}"
    assert len(list((out / "images").iterdir())) == 2
    again = run(*given)
    assert again.exit_code == 1 and "--overwrite" in again.stderr
    assert run(*given, "--overwrite").exit_code == 0


def test_scenes_of_wrong_size_are_refused(run: Run, tmp_path: Path) -> None:
    result = run("data", "scenes", "--out", tmp_path / "s", "--count", 2, "--size", "20")
    assert result.exit_code == 1
    assert "at least 64" in result.stderr
    result = run("data", "scenes", "--out", tmp_path / "s", "--count", 2, "--size", "9000x8000")
    assert result.exit_code == 1
    assert "--size 9000x8000: 8000×9000 is more than 64000000 pixels" in result.stderr
    assert not (tmp_path / "s").exists()


def test_sizes() -> None:
    assert parse_size("128") == (128, 128)
    assert parse_size("96x160") == parse_size("96X160") == (96, 160)
    for text in ("", "0", "x", "12x", "12x0", "-3", "1e3", "64x64x3"):
        with pytest.raises(ValueError, match="--size"):
            parse_size(text)


def test_times() -> None:
    assert [duration(s) for s in (-1, 9.4, 130, 3900)] == ["0 s", "9 s", "2 min 10 s", "1 h 05 min"]


def test_errors_are_one_line() -> None:
    assert describe(ValueError("two\n  lines")) == "two lines"
    assert describe(FileNotFoundError(2, "No such file", "a.png")) == "a.png: No such file"
    assert describe(OSError(28, "No space left on device")) == "No space left on device"
    assert describe(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "there is not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "there is not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to …"),
            "there is not enough memory",
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
            "a process that prepares samples was killed",
        ),
        (RuntimeError("a defect"), ""),
    ],
)
def test_too_little_memory_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(data_scenes_command, "write_scenes", fail)
    result = run("data", "scenes", "--out", "unused")
    assert result.exit_code == 1
    assert (result.exception is error) != bool(told)
    assert result.stderr.startswith(f"error: {told}") if told else not result.stderr


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="--device cuda:2: expected cuda:0 to cuda:1"):
        pick_device("cuda:2")


def test_progress_is_told_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 1.0, SECONDS_A_LINE, SECONDS_A_LINE, SECONDS_A_LINE + 1])
    monkeypatch.setattr("rabit.app.display.time.monotonic", lambda: next(now))
    bar = Bar("pictures")
    for done in (1, 2, 3):
        bar(done, 9)
    assert capsys.readouterr().err == "note: pictures: 2 of 9\n"
