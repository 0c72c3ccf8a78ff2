from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from rabit.app.data_shard_command import data_shard_command
from rabit.app.display import Bar
from rabit.app.errors import Commands
from rabit.data.scenes import write_scenes
from rabit.data.shards.source import ShardSource

Shard = Callable[..., Result]


@pytest.fixture
def shard() -> Shard:
    app = typer.Typer(cls=Commands)
    app.callback()(lambda: None)
    app.command("shard")(data_shard_command)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["shard", *map(str, arguments)])

    return run


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "scenes", 5, 0, (64, 64))
    return tmp_path / "scenes"


def test_the_command_writes_shards_and_says_so(shard: Shard, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = shard(scenes, "--out", out, "--per-shard", 2)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("pictures: 5 in 3 tar files, ")
    assert lines[1].startswith("pairs: 5 in 3 tar files, ")
    assert lines[2] == f"shards: {out}"
    source = ShardSource(out)
    assert len(source) == source.pair_count == 5 and source.index.layout == "folder"


def test_condition_and_layout_are_taken(shard: Shard, scenes: Path, tmp_path: Path) -> None:
    arguments = ("--out", tmp_path / "out", "--layout", "folder", "--condition", "canny")
    result = shard(scenes, *arguments)
    assert result.exit_code == 0, result.output
    assert ShardSource(tmp_path / "out").kind == "edge"
    result = shard(scenes, "--out", tmp_path / "other", "--layout", "none")
    assert result.exit_code == 1 and "expected one of" in result.stderr
    assert not (tmp_path / "other").exists()


def test_a_full_folder_needs_resume(shard: Shard, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert shard(scenes, "--out", out).exit_code == 0
    result = shard(scenes, "--out", out)
    assert result.exit_code == 1 and "--resume to go on" in result.stderr
    (out / "pictures-000000.tar").unlink()
    assert shard(scenes, "--out", out, "--resume").exit_code == 0
    assert len(ShardSource(out)) == 5


def test_ctrl_c_says_how_to_go_on(
    shard: Shard, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupt(self: Bar, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bar, "__call__", interrupt)
        result = shard(scenes, "--out", out, "--per-shard", 2)
    assert result.exit_code == 130 and "--resume goes on" in result.stderr
    assert shard(scenes, "--out", out, "--per-shard", 2, "--resume").exit_code == 0
    assert len(ShardSource(out)) == 5


def test_errors_are_one_line(shard: Shard, tmp_path: Path) -> None:
    result = shard(tmp_path / "none", "--out", tmp_path / "out")
    assert result.exit_code == 1 and "no such folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
