"""`rabit demo`: translations and edits of held-out scenes as a report."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import torch

from rabit.app.display import Bar
from rabit.app.report import GENERATOR, Fact, make_report
from rabit.app.train_command import write_text
from rabit.app.translate_command import open_model
from rabit.evaluation.showcase import HELD_OUT_SEED, Showcase, make_showcase
from rabit.inference import Translator
from rabit.model.storage import write_atomically

PAGE = "index.html"
PICTURES = "images"
SCENES = 4


def run_demo(out: Path, model: str, seed: int, device: str, overwrite: bool) -> Path:
    """Writes the report's folder.

    Args:
        out: gets index.html and images/.
        model: a model that was trained on scenes.
        seed: which of the held-out scenes, 0 or more.
        device: cpu or cuda.
        overwrite: whether to replace a report that is there.

    Returns:
        The page.

    Raises:
        FileExistsError: the folder holds a report and overwrite is off, or something else.
        ValueError: the model cannot be loaded, or was not trained on scenes.
    """
    if seed < 0:
        raise ValueError(f"--seed {seed}: expected 0 or more")
    check_report_folder(out, overwrite)
    translator = open_model(model, device)
    with Bar("translating") as bar:
        showcase = make_showcase(translator, SCENES, HELD_OUT_SEED + seed, bar)
    report = make_report(showcase, translator.config, model_facts(translator, showcase))
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / PICTURES, ignore_errors=True)
    (out / PICTURES).mkdir()
    for name, data in report.pictures.items():
        _write_bytes(out / PICTURES / name, data)
    write_text(out / PAGE, report.html)
    return out / PAGE


def check_report_folder(out: Path, overwrite: bool) -> None:
    """Refuses a folder that holds anything but a report that may be replaced.

    Raises:
        FileExistsError: it does.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; name a folder with --out")
    if not out.exists() or not any(out.iterdir()):
        return
    if not overwrite:
        raise FileExistsError(
            f"{out} is not empty; replace the report in it with --overwrite, or name another "
            "folder with --out"
        )
    page = out / PAGE
    if not page.is_file() or GENERATOR not in page.read_text(encoding="utf-8", errors="replace"):
        raise FileExistsError(
            f"{out} holds something else than a report of this command, which --overwrite does "
            "not replace; name another folder with --out"
        )


def model_facts(translator: Translator, showcase: Showcase) -> list[Fact]:
    """Returns the lines of the model's card."""
    config = translator.config
    parameters = sum(p.numel() for p in translator.network.parameters())
    alignment, (height, width) = config.alignment, config.image_size
    if alignment.method == "ranking":
        method = f"ranking: {alignment.block}×{alignment.block} blocks, {alignment.k} retrieved"
    else:
        method = {"dense": "dense: every place with every place", "none": "none"}[alignment.method]
    rate = f"{1000 * showcase.seconds:.0f} ms, median of {_pictures(showcase)}"
    threads = torch.get_num_threads()
    where = f"{translator.device}, {threads} thread{'s' if threads > 1 else ''}"
    return [
        Fact("Model", config.name),
        Fact("Parameters", f"{parameters / 1e6:.2f} million"),
        Fact("Trained on", f"{height}×{width} pixels, {len(config.condition.classes)} classes"),
        Fact("Alignment", method),
        Fact("Correspondence", f"{height // 2}×{width // 2} places on each side"),
        Fact("Time for one picture", rate),
        Fact("Measured on", f"{where}, {platform.machine()}"),
        Fact("Versions", f"PyTorch {torch.__version__}, Python {platform.python_version()}"),
    ]


def _pictures(showcase: Showcase) -> int:
    return sum(len(scene.rows) for scene in showcase.scenes) + len(showcase.edits)


def _write_bytes(path: Path, data: bytes) -> None:
    """Writes a file: it appears complete, or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_atomically(path, write)
