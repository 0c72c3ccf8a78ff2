"""Models on disk: bit for bit there and back, whole or not at all, and clear when damaged."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rabit.config import ModelConfig
from rabit.model import storage
from rabit.model.network import TranslationNetwork, build_network
from rabit.model.storage import (
    CONFIG,
    WEIGHTS,
    load_model,
    read_config,
    save_model,
    write_atomically,
)
from tiny import tiny_experiment


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return tiny_experiment(64).model


@pytest.fixture(scope="module")
def network(config: ModelConfig) -> TranslationNetwork:
    return build_network(config, seed=4)


@pytest.fixture
def folder(tmp_path: Path, network: TranslationNetwork, config: ModelConfig) -> Path:
    save_model(tmp_path / "deep" / "model", network, config)
    return tmp_path / "deep" / "model"


def same_weights(first: TranslationNetwork, second: TranslationNetwork) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_model_comes_back_bit_for_bit(
    folder: Path, network: TranslationNetwork, config: ModelConfig
) -> None:
    for path in (folder, folder / WEIGHTS):
        stored = load_model(path)
        assert stored.config == config
        assert same_weights(stored.network, network)
        assert not stored.network.training
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]


def test_no_weights_are_drawn_to_be_replaced(
    folder: Path, network: TranslationNetwork, config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("weights are drawn")

    with monkeypatch.context() as patched:
        for name in ("xavier_normal_", "kaiming_uniform_", "uniform_"):
            patched.setattr(torch.nn.init, name, fail)
        assert same_weights(load_model(folder).network, network)
        with pytest.raises(AssertionError, match="weights are drawn"):
            build_network(config)
    assert same_weights(build_network(config, seed=2), build_network(config, seed=2))


@pytest.mark.parametrize("stride", [2, 4])
def test_the_stride_of_the_correspondence_comes_back(tmp_path: Path, stride: int) -> None:
    config = tiny_experiment(64, alignment__stride=stride).model
    save_model(tmp_path, build_network(config, seed=4), config)
    stored = load_model(tmp_path)
    assert stored.config == config and stored.network.alignment.stride == stride


def test_a_model_of_before_there_were_strides_matches_at_a_half(
    folder: Path, config: ModelConfig
) -> None:
    data = json.loads((folder / CONFIG).read_text())
    del data["alignment"]["stride"]
    (folder / CONFIG).write_text(json.dumps(data))
    stored = load_model(folder)
    assert stored.config == config and stored.network.alignment.stride == 2


def test_a_network_in_another_memory_layout_comes_back(
    tmp_path: Path, network: TranslationNetwork, config: ModelConfig
) -> None:
    other: Any = build_network(config, seed=4)
    save_model(tmp_path, other.to(memory_format=torch.channels_last), config)
    assert same_weights(load_model(tmp_path).network, network)


def test_half_precision_on_disk_is_float32_in_memory(
    tmp_path: Path, network: TranslationNetwork, config: ModelConfig
) -> None:
    save_model(tmp_path, network, config, dtype=torch.float16)
    kinds = {tensor.dtype for tensor in load_file(tmp_path / WEIGHTS).values()}
    assert torch.float16 in kinds and torch.float32 not in kinds
    loaded = load_model(tmp_path).network
    for name, tensor in loaded.state_dict().items():
        original = network.state_dict()[name]
        assert tensor.dtype == original.dtype, name
        if tensor.is_floating_point():
            assert torch.equal(tensor, original.half().float()), name


def test_nothing_is_overwritten_unasked(
    folder: Path, network: TranslationNetwork, config: ModelConfig
) -> None:
    before = (folder / WEIGHTS).read_bytes()
    other = build_network(config, seed=5)
    for name in (WEIGHTS, CONFIG):
        kept = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(FileExistsError, match="already holds"):
            save_model(folder, other, config)
        (folder / name).write_bytes(kept)
    assert (folder / WEIGHTS).read_bytes() == before
    save_model(folder, other, config, overwrite=True)
    assert same_weights(load_model(folder).network, other)


@pytest.mark.parametrize("error", [OSError("no space"), RuntimeError("no space")])
def test_a_failed_save_leaves_what_was_there(
    folder: Path,
    network: TranslationNetwork,
    config: ModelConfig,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(tensors: Any, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise error

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(storage, "save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save_model(folder, build_network(config, seed=5), config, overwrite=True)
    with pytest.raises(OSError, match="no space"):
        save_model(folder.parent / "new", network, config)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list((folder.parent / "new").iterdir()) == []


def test_a_failed_rename_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("read-only")

    def write(path: Path) -> None:
        path.write_text("new")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="read-only"):
        write_atomically(tmp_path / "a.txt", write)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_names_the_file_and_not_a_temporary_one(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with pytest.raises(OSError, match=r"a\.txt: could not be written .*make space") as caught:
        write_atomically(tmp_path / "a.txt", write)
    assert ".part-" not in str(caught.value)
    with pytest.raises(OSError, match=r"none/a\.txt: could not be written"):
        write_atomically(tmp_path / "none" / "a.txt", write)


def test_files_can_be_read_by_others(folder: Path) -> None:
    assert {os.stat(folder / name).st_mode & 0o777 for name in (WEIGHTS, CONFIG)} == {0o644}


def edit_config(folder: Path, **fields: Any) -> None:
    data = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(data | fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"colour": 3}, "unknown field colour"),
        ({"alignment": {"k": 0}}, "alignment.k is 0"),
        ({"alignment": {"kk": 0}}, "unknown field kk"),
        ({"image_size": [60, 64]}, "image_size"),
        ({"image_size": "64"}, "image_size"),
        ({"condition": {"kind": "sketch"}}, "kind is 'sketch'"),
        ({"condition": 3}, "found int"),
    ],
)
def test_a_wrong_field_of_the_configuration_is_named(
    folder: Path, fields: dict[str, Any], words: str
) -> None:
    edit_config(folder, **fields)
    with pytest.raises(ValueError, match=rf"config\.json.*{words}"):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, "\x00", "NaN"])
def test_a_configuration_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        read_config(tmp_path / CONFIG)


def test_missing_files_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"config\.json: no such file"):
        load_model(tmp_path)
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors: no such file"):
        load_model(folder)


def test_files_of_another_kind_are_refused(tmp_path: Path, folder: Path) -> None:
    torch.save([1, 2], folder / "step.pt")
    for name in ("step.pt", CONFIG):
        with pytest.raises(ValueError, match=rf"{name}: not a \.safetensors file"):
            load_model(folder / name)


@pytest.mark.parametrize("size", [0, 5, 200, 5000, -1])
def test_truncated_weights_are_named(folder: Path, size: int) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:size])
    with pytest.raises(ValueError, match=r"model\.safetensors: not a readable"):
        load_model(folder)


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    whole = load_file(folder / WEIGHTS)
    name = sorted(whole)[0]
    rest = {key: tensor for key, tensor in whole.items() if key != name}
    cases: list[tuple[dict[str, torch.Tensor], str]] = [
        (rest, f"1 missing tensors .{name}"),
        (whole | {"extra": torch.zeros(1)}, "1 unknown tensors .extra"),
        (rest | {name: torch.zeros(1, 2, 3)}, r"1 misshapen tensors .*\(1, 2, 3\) instead of"),
        ({"a": torch.zeros(1)}, "missing"),
    ]
    for tensors, words in cases:
        save_file(tensors, folder / WEIGHTS)
        with pytest.raises(ValueError, match=rf"model\.safetensors: .*{words}"):
            load_model(folder)
