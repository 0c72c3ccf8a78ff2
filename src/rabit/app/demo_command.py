"""`rabit demo`: translations and edits of held-out scenes as a report."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Annotated

import torch
import typer

from rabit.app.arguments import DEFAULT_MODEL, Device, Model
from rabit.app.display import Bar
from rabit.app.report import GENERATOR, Fact, make_report
from rabit.app.translate_command import open_model
from rabit.evaluation.showcase import HELD_OUT_SEED, Showcase, make_showcase
from rabit.inference import Translator
from rabit.writing import WORK_PREFIX, check_target, naming, replace_files, workplace

PAGE = "index.html"
PICTURES = "images"
PICTURE_NAME = re.compile(r"(scene|edit)-[0-9]+-[a-z0-9-]+\.png")
SCENES = 4


def demo_command(
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("demo-report"),
    model: Model = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option(help="Which of the held-out scenes, 0 or more.")] = 0,
    device: Device = "cpu",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the report in the folder.")
    ] = False,
) -> None:
    """Translate and edit held-out scenes, and write an HTML report to look at."""
    page = run_demo(out, model, seed, device, overwrite)
    typer.echo(f"pictures: {page.parent / 'images'}")
    typer.echo(f"report: {page}")


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
        OSError: the folder cannot be written; it is named.
        ValueError: the model cannot be loaded, or was not trained on scenes.
    """
    if seed < 0:
        raise ValueError(f"--seed {seed}: expected 0 or more")
    old = check_report_folder(out, overwrite)
    translator = open_model(model, device)
    with Bar("translating") as bar:
        showcase = make_showcase(translator, SCENES, HELD_OUT_SEED + seed, bar)
    report = make_report(showcase, translator.config, model_facts(translator, showcase))
    files = {Path(PICTURES, name): data for name, data in report.pictures.items()}
    files[Path(PAGE)] = report.html.encode()
    with naming(out), workplace(out) as work:
        for name, data in files.items():
            (work / "new" / name).parent.mkdir(parents=True, exist_ok=True)
            (work / "new" / name).write_bytes(data)
        replace_files(out, old, list(files), work)
    return out / PAGE


def check_report_folder(out: Path, overwrite: bool) -> list[Path]:
    """Refuses a folder that holds anything but a report that may be replaced.

    A report without its page is one as well, if nothing but the report's pictures is there.

    Returns:
        The report's files, relative to the folder.

    Raises:
        FileExistsError: the folder holds a report and overwrite is off, or something else.
        OSError: it cannot be written.
    """
    check_target(out, folder=True)
    if not out.exists() or not any(out.iterdir()):
        return []
    if not overwrite:
        raise FileExistsError(
            f"{out} is not empty; replace the report in it with --overwrite, or name another "
            "folder with --out"
        )
    page, pictures = out / PAGE, out / PICTURES
    beside = sorted(pictures.iterdir()) if pictures.is_dir() else []
    own = [Path(PICTURES, path.name) for path in beside if PICTURE_NAME.fullmatch(path.name)]
    if page.is_file():
        ours = GENERATOR in page.read_text(encoding="utf-8", errors="replace")
    else:
        others = [path for path in out.iterdir() if not path.name.startswith(WORK_PREFIX)]
        ours = len(own) == len(beside) and others == [pictures]
    if not ours or (pictures.exists() and not pictures.is_dir()):
        raise FileExistsError(
            f"{out} holds something else than a report of this command, which --overwrite does "
            "not replace; name another folder with --out"
        )
    return [Path(PAGE), *own] if page.is_file() else own


def model_facts(translator: Translator, showcase: Showcase) -> list[Fact]:
    """Returns the lines of the model's card."""
    config = translator.config
    parameters = sum(p.numel() for p in translator.network.parameters())
    alignment, (height, width) = config.alignment, config.image_size
    method = {
        "ranking": f"ranking: {alignment.block}×{alignment.block} blocks, {alignment.k} retrieved"
        + (f", border {alignment.border}" if alignment.border else "")
        + (", overlapping" if alignment.overlap else "")
        + (f", of a shortlist of {alignment.shortlist}" if alignment.shortlist else ""),
        "dense": "dense: every place with every place",
        "dense-stored": "dense: every place with every place",
        "transport": "transport: every place with every place, all used alike",
        "patchmatch": f"patchmatch: {alignment.patchmatch.candidates} places for each",
        "none": "none",
    }[alignment.method]
    rate = f"{1000 * showcase.seconds:.0f} ms, median of {_pictures(showcase)}"
    threads = torch.get_num_threads()
    where = f"{translator.device}, {threads} thread{'s' if threads > 1 else ''}"
    rows, columns = height // alignment.stride, width // alignment.stride
    places = Fact("Correspondence", f"{rows}×{columns} places on each side")
    return [
        Fact("Model", config.name),
        Fact("Parameters", f"{parameters / 1e6:.2f} million"),
        Fact("Trained on", f"{height}×{width} pixels, {len(config.condition.classes)} classes"),
        Fact("Alignment", method),
        *([] if alignment.method == "none" else [places]),
        Fact("Time for one picture", rate),
        Fact("Measured on", f"{where}, {platform.machine()}"),
        Fact("Versions", f"PyTorch {torch.__version__}, Python {platform.python_version()}"),
    ]


def _pictures(showcase: Showcase) -> int:
    return sum(len(scene.rows) for scene in showcase.scenes) + len(showcase.edits)
