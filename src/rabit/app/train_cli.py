"""`rabit train` on the command line: its options and help."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rabit.app.arguments import Assignments, Device
from rabit.app.corpus_arguments import ConditionKind, Layout, TrainingFit
from rabit.app.errors import INTERRUPTED, note, speaks
from rabit.app.train_command import run_training
from rabit.app.train_options import TrainOptions, default_run
from rabit.presets import PRESETS


def train_command(
    preset: Annotated[
        str, typer.Argument(help=f"The experiment to start from: {', '.join(PRESETS)}.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="scenes (generated while training), or a folder with images/, labels/ and "
            "classes.txt, or in one of the public layouts."
        ),
    ],
    layout: Layout = None,
    condition: ConditionKind = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder. [default: runs/PRESET-DATA]")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Steps in all; the learning rates' decay is scaled, not their warm-up."),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of weights, samples and their order.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Perceptual network of the losses: vgg19, vgg19-distilled, random, or none, which "
            "turns the losses that need one off."
        ),
    ] = None,
    backbone_weights: Annotated[
        Path | None, typer.Option(help="The perceptual network's weights.")
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of a trained model whose weights to start with, such as facades; "
            "a few hundred steps then suit it to pictures of your own. Or the folder of a run, "
            "whose discriminator is taken too."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in the folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in the folder.")
    ] = False,
    device: Device = "cpu",
    threads: Annotated[int | None, typer.Option(help="Threads of the CPU.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that prepare samples; 0 for none.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Pixels of the images: one number, or HEIGHTxWIDTH.")
    ] = None,
    fit: TrainingFit = None,
    lr_generator: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    lr_discriminator: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Share of a folder's images that is not trained on; their names are written to "
            "the run's folder. [default: what the layout says, or 0.2]"
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="File with those images instead, one a line, such as another run's held-out.txt; "
            "for a folder that does not say itself what is held out."
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of the convolutions: float32, bfloat16 or, on a GPU, float16. [default: float32]"
        ),
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(help="Parts that a batch is computed in, for less memory.")
    ] = None,
    recompute: Annotated[
        bool | None,
        typer.Option(
            "--recompute/--keep",
            help="Compute heavy blocks again in the backward pass, for less memory, or keep them.",
            show_default=False,
        ),
    ] = None,
    compile_networks: Annotated[
        bool | None,
        typer.Option(
            "--compile/--eager", help="Have torch compile the networks.", show_default=False
        ),
    ] = None,
    wandb: Annotated[
        str | None, typer.Option(help="Project at Weights & Biases to log to as well.")
    ] = None,
    assignments: Assignments = None,
) -> None:
    """Train a model.

    The folder gets checkpoints, sample grids, log.jsonl, TensorBoard files and, in model/, the
    trained model. Ctrl-C writes a checkpoint and stops. Several processes share every batch where
    torchrun or accelerate launch starts them: torchrun --nproc-per-node 2 -m rabit train …
    """
    if out is None:
        out = default_run(preset, data)
    finished = run_training(
        TrainOptions(
            preset=preset,
            data=data,
            layout=layout,
            condition=condition,
            out=out,
            steps=steps,
            batch=batch,
            seed=seed,
            backbone=backbone,
            backbone_weights=backbone_weights,
            start_from=start_from,
            resume=resume,
            overwrite=overwrite,
            device=device,
            threads=threads,
            workers=workers,
            size=size,
            fit=fit,
            lr_generator=lr_generator,
            lr_discriminator=lr_discriminator,
            holdout=holdout,
            held_out=held_out,
            precision=precision,
            accumulate=accumulate,
            recompute=recompute,
            compile=compile_networks,
            wandb=wandb,
            assignments=tuple(assignments or ()),
            command=tuple(sys.argv),
        )
    )
    if speaks():
        typer.echo(f"run: {out}")
        typer.echo(f"model: {finished.model}")
    if finished.interrupted:
        note(f"interrupted at step {finished.step}; a checkpoint is saved, --resume goes on")
        raise typer.Exit(INTERRUPTED)
