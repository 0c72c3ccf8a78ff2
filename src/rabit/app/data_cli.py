"""`rabit data`: the commands that make, check and prepare data."""

from __future__ import annotations

import typer

from rabit.app.data_check_command import data_check_command
from rabit.app.data_colours_command import data_colours_command
from rabit.app.data_edits_command import data_edits_command
from rabit.app.data_merge_command import data_merge_command
from rabit.app.data_pairs_command import data_pairs_command
from rabit.app.data_scenes_command import data_scenes_command
from rabit.app.data_shard_command import data_shard_command

data_app = typer.Typer(
    help="Make, check and prepare data.", no_args_is_help=True, rich_markup_mode=None
)
data_app.command("scenes")(data_scenes_command)
data_app.command("check")(data_check_command)
data_app.command("merge")(data_merge_command)
data_app.command("colours")(data_colours_command)
data_app.command("pairs")(data_pairs_command)
data_app.command("edits")(data_edits_command)
data_app.command("shard")(data_shard_command)
