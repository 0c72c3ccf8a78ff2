"""`rabit study`: the commands that make, run and score a user study."""

from __future__ import annotations

import typer

from rabit.app.study_make_command import study_make_command
from rabit.app.study_score_command import study_score_command
from rabit.app.study_serve_command import study_raters_command, study_serve_command

study_app = typer.Typer(
    help="Ask people which method's pictures they prefer.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
study_app.command("make")(study_make_command)
study_app.command("serve")(study_serve_command)
study_app.command("raters")(study_raters_command)
study_app.command("score")(study_score_command)
