from __future__ import annotations

from pathlib import Path

import pytest

import rabit.metrics.weights as weights
from rabit.metrics.weights import KNOWN_FILES, VARIABLE, find_weights


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder in the environment, and no torchmetrics."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(weights, "installed_heads", lambda name: None)


def test_files_are_found_by_any_of_their_names(tmp_path: Path) -> None:
    for name in ("weights-inception-2015-12-05-6726825d.pth", "vgg19_conv.pth", "alex.pth"):
        (tmp_path / name).touch()
    found = find_weights(tmp_path)
    assert {key: path.name for key, path in found.files.items()} == {
        "inception": "weights-inception-2015-12-05-6726825d.pth",
        "alex-heads": "alex.pth",
        "vgg19": "vgg19_conv.pth",
    }
    assert {m.key for m in found.missing} == set(KNOWN_FILES) - set(found.files)


def test_the_environment_names_the_folder_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "squeezenet1_1-b8a52dc0.pth").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert set(find_weights().files) == {"squeeze"}
    (tmp_path / "other").mkdir()
    assert not find_weights(tmp_path / "other").files


def test_what_is_missing_says_figure_file_source_and_place(tmp_path: Path) -> None:
    missing = {m.key: m for m in find_weights(tmp_path).missing}["inception"]
    assert missing.figures == ("FID", "KID")
    for part in (
        "FID, KID: left out",
        "pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid",
        "91 MiB",
        f"put it into {tmp_path}",
    ):
        assert part in missing.message
    message = find_weights().missing[0].message
    assert "--weights FOLDER" in message and VARIABLE in message


def test_heads_of_an_installed_torchmetrics_are_taken_behind_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "installed_heads", lambda name: Path(f"/installed/{name}.pth"))
    (tmp_path / "lpips-vgg.pth").touch()
    found = find_weights(tmp_path).files
    assert found["vgg-heads"] == tmp_path / "lpips-vgg.pth"
    assert found["alex-heads"] == Path("/installed/alex.pth")


def test_no_stand_in_makes_a_figure_of_a_published_name() -> None:
    published = {
        f for known in KNOWN_FILES.values() if not known.stands_in_for for f in known.figures
    }
    for known in KNOWN_FILES.values():
        if known.stands_in_for:
            assert published.isdisjoint(known.figures)
            assert all(known.network in figure for figure in known.figures)


def test_names_bear_the_digests() -> None:
    for known in KNOWN_FILES.values():
        for digest in known.digests if "heads" not in known.network else ():
            assert any(digest in name for name in known.names)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder of weights"):
        find_weights(tmp_path / "none")


def test_the_page_on_metrics_names_every_file() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for known in KNOWN_FILES.values():
        names = known.names[:1] if "heads" in known.network else known.names
        assert all(f"`{name}`" in page for name in names)
