"""`rabit study score`: scores with intervals from raters' answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rabit.app.arguments import Overwrite
from rabit.app.errors import note
from rabit.app.study_serve_command import DatabaseFile, Folder
from rabit.study.files import DATABASE, SCORES, load_key, load_study
from rabit.study.report import score_files, summary_line
from rabit.study.rules import Rules
from rabit.study.scores import Settings, score_study
from rabit.study.votes import votes_from_crowd, votes_from_database
from rabit.writing import check_target, write_files

_RULES = Rules()
_SETTINGS = Settings()


def study_score_command(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report. [default: FOLDER/scores]")
    ] = None,
    database: DatabaseFile = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(help="Mechanical Turk's results as CSV, instead; may be repeated."),
    ] = None,
    min_gold: Annotated[
        float, typer.Option(help="Share of gold trials that a rater must get right.")
    ] = _RULES.min_gold,
    min_repeats: Annotated[
        float, typer.Option(help="Share of repeated trials to answer as the first time.")
    ] = _RULES.min_repeats,
    min_seconds: Annotated[
        float, typer.Option(help="Median time a trial that a rater must take.")
    ] = _RULES.min_seconds,
    max_place: Annotated[
        float, typer.Option(help="Share of answers at one place that is allowed.")
    ] = _RULES.max_place,
    finished_only: Annotated[
        bool, typer.Option("--finished-only", help="Leave raters out who did not finish.")
    ] = False,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap draws for the intervals.")
    ] = _SETTINGS.resamples,
    confidence: Annotated[float, typer.Option(help="That intervals cover.")] = _SETTINGS.confidence,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = _SETTINGS.seed,
    overwrite: Overwrite = False,
) -> None:
    """Score the study in FOLDER by the answers of the raters who keep to the rules."""
    rules = Rules(min_gold, min_repeats, min_seconds, max_place, finished_only)
    settings = Settings(resamples, confidence, seed)
    if results and database is not None:
        raise ValueError("--results and --database: expected one of them")
    target = folder / SCORES if out is None else out
    check_target(target, folder=True)
    loaded = load_study(folder)
    key = load_key(loaded)
    if results:
        voters = votes_from_crowd(results, loaded)
    else:
        voters = votes_from_database(folder / DATABASE if database is None else database, loaded)
    scores = score_study(loaded, key, voters, rules, settings)
    files = score_files(scores, target)
    write_files(files, overwrite=overwrite)
    for question in scores.questions:
        typer.echo(summary_line(question))
        for remark in question.notes:
            note(f"{question.question.id}: {remark}")
    for question_id in scores.unanswered:
        note(f"{question_id}: nobody who counts has answered it yet")
    for report in scores.raters:
        if report.reasons:
            note(f"{report.name} does not count: {'; '.join(report.reasons)}")
    counted = sum(not report.reasons for report in scores.raters)
    typer.echo(f"raters: {counted} of {len(scores.raters)} count")
    typer.echo(f"report: {target / 'scores.md'}")
