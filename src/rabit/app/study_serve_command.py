"""`rabit study serve` and `rabit study raters`: the self-hosted page, and links to it."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from rabit.app.errors import note
from rabit.study.database import Database
from rabit.study.files import DATABASE, load_study, require_pictures
from rabit.study.served import Served

PUBLIC = (
    "this study can be reached from other machines. Whoever opens the address can take part (with "
    "--invited, only who has a link). The connection is not encrypted: for raters outside of your "
    "own network put a server with HTTPS before it. Raters see no method's name."
)
MOST_RATERS = 1000

Folder = Annotated[Path, typer.Argument(help="A folder that `rabit study make` wrote.")]
DatabaseFile = Annotated[
    Path | None, typer.Option(help="File of the answers. [default: FOLDER/answers.sqlite]")
]


def study_serve_command(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on, 0 for any that is free.")] = 8000,
    database: DatabaseFile = None,
    public: Annotated[
        bool,
        typer.Option(
            "--public", help="Allow other machines, by --host or through a server before this one."
        ),
    ] = False,
    invited: Annotated[
        bool, typer.Option("--invited", help="Only raters with a link of `rabit study raters`.")
    ] = False,
    most_raters: Annotated[
        int, typer.Option(help="Raters in all; no more get a link by opening the page.")
    ] = MOST_RATERS,
) -> None:
    """Serve the study in FOLDER to raters until Ctrl-C; answers are kept as they are given."""
    loopback = is_loopback(host)
    if not loopback and not public:
        raise ValueError(f"--host {host} can be reached from other machines; add --public for that")
    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port}: expected 0 to 65535")
    try:
        import uvicorn

        from rabit.editor.listening import bind
        from rabit.serving import LOOPBACK
        from rabit.study.server import make_app
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the page needs the package {error.name}, which is not installed; "
            "pip install fastapi uvicorn"
        ) from error
    loaded = load_study(folder)
    require_pictures(loaded)
    listener = bind(host, port)
    answers = Database(_file(folder, database), loaded.digest, len(loaded.study.sheets))
    served = Served(loaded, answers, open_to_all=not invited, most_raters=most_raters)
    app = make_app(served, None if public else (*LOOPBACK, host))
    if public:
        note(PUBLIC)
    number = listener.getsockname()[1]
    typer.echo(f"study: http://{f'[{host}]' if ':' in host else host}:{number}/")
    typer.echo(f"answers: {answers.path}")
    typer.echo("Ctrl-C ends it; started again, it goes on where every rater was.")
    server = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    try:
        # Uvicorn ends in order first, and passes Ctrl-C on then.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(server).run(sockets=[listener])
    finally:
        answers.close()


def study_raters_command(
    folder: Folder,
    count: Annotated[int, typer.Argument(help="Links to make.")],
    url: Annotated[
        str, typer.Option(help="Address of the page, for the links.")
    ] = "http://127.0.0.1:8000/",
    database: DatabaseFile = None,
) -> None:
    """Make COUNT raters of the study in FOLDER, and print the personal link of each."""
    if count < 1:
        raise ValueError(f"COUNT {count}: expected 1 or more")
    if not url.startswith(("http://", "https://")) or "#" in url:
        raise ValueError(f"--url {url}: expected the page's address, as http://127.0.0.1:8000/")
    loaded = load_study(folder)
    answers = Database(_file(folder, database), loaded.digest, len(loaded.study.sheets))
    try:
        for _ in range(count):
            rater = answers.add_rater(consented=False)
            typer.echo(f"rater-{rater.id} {url}#t={rater.token}")
    finally:
        answers.close()


def is_loopback(host: str) -> bool:
    """Tells whether an address is this machine's own, which others cannot reach."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _file(folder: Path, database: Path | None) -> Path:
    return folder / DATABASE if database is None else database
