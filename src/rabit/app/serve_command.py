"""`rabit serve`: the editor, a page in the browser with models of this machine."""

from __future__ import annotations

import re
import secrets
import socket
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import torch
import typer

from rabit.app.arguments import DEFAULT_MODEL, Device, Precision, Threads
from rabit.app.errors import note
from rabit.app.options import pick_device, pick_precision
from rabit.app.study_serve_command import is_loopback
from rabit.data.text import read_text
from rabit.editor.checks import Limits
from rabit.editor.queueing import FairQueue
from rabit.editor.service import Service, load_models

PUBLIC = (
    "this editor can be reached from other machines, by whoever has the token. The connection is "
    "not encrypted: outside of your own network put a server with HTTPS before it."
)
_ANY_ADDRESS = ("0.0.0.0", "::")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")


def serve_command(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model: an embedded name, a folder, a file, or a Hugging Face id, or NAME=MODEL "
            f"to have it called so; may be repeated. [default: {DEFAULT_MODEL}]",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on, 0 for any that is free.")] = 8000,
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Allow other machines, by --host or through a server before this one; they need "
            "the token that is printed.",
        ),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A text file with the token that requests must carry. [default: a new "
            "one with --public, else none]",
            show_default=False,
        ),
    ] = None,
    device: Device = "cpu",
    precision: Precision = "auto",
    threads: Threads = None,
    queue: Annotated[int, typer.Option(help="Requests that may wait; more are told to.")] = 16,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a request is given up.")
    ] = 60.0,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Serve the editor until Ctrl-C: paint a map, pick an exemplar, see the photograph."""
    if not is_loopback(host) and not public:
        raise ValueError(f"--host {host} can be reached from other machines; add --public for that")
    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port}: expected 0 to 65535")
    if queue < 1:
        raise ValueError(f"--queue {queue}: expected 1 or more")
    if not 0 < timeout <= 3600:
        raise ValueError(f"--timeout {timeout:g}: expected seconds above 0, up to 3600")
    if threads is not None and threads < 1:
        raise ValueError(f"--threads {threads}: expected 1 or more")
    try:
        from rabit.editor.listening import bind, run_server
        from rabit.editor.server import make_app
        from rabit.serving import LOOPBACK
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the editor needs the package {error.name}, which is not installed; "
            "pip install fastapi uvicorn"
        ) from error
    token = _token(public, token_file)
    if threads is not None:
        torch.set_num_threads(threads)
    models = load_models(model or [DEFAULT_MODEL], pick_device(device), pick_precision(precision))
    service = Service(models, Limits())
    listener = bind(host, port)
    hosts = None if public else (*LOOPBACK, host)
    app = make_app(service, hosts, token, FairQueue(most=queue), timeout)
    if public:
        note(PUBLIC)
    name = socket.gethostname() if host in _ANY_ADDRESS else host
    shown = f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"
    address = shown + ("" if token is None else f"#t={token}")
    typer.echo(f"models: {', '.join(service.models)}")
    typer.echo(f"editor: {address}")
    typer.echo(f"interface: {shown}docs")
    typer.echo("Ctrl-C ends it.")
    run_server(app, listener, (lambda: _open(address)) if open_page else None)


def _token(public: bool, file: Path | None) -> str | None:
    """The token that requests must carry.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    if file is None:
        return secrets.token_urlsafe(32) if public else None
    token = read_text(file).strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            f"{file}: expected a token of 16 to 256 letters, digits, - or _ and nothing else"
        )
    return token


def _open(address: str) -> None:
    """Opens the page; some browsers only return when they are closed."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
