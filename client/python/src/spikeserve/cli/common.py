"""Options and output that the commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spikeserve._address import ConnectionOptionError, check_address, check_token, speaks_tls
from spikeserve.client import Client
from spikeserve.errors import UnavailableError

Command = TypeVar("Command", bound=Callable[..., Any])

_NO_WIDTH = 1_000_000
DEFAULT_SERVER = "127.0.0.1:8001"

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
steps_option = click.option("--steps", type=click.IntRange(min=1), help="Time steps; default: the network's.")
version_option = click.option(
    "--version",
    type=click.IntRange(min=0),
    default=0,
    help="Version of the network; 0 (default): the highest.",
)


@dataclass(frozen=True)
class ServerOptions:
    """How to reach the server, from options and environment."""

    server: str
    token: str | None
    root_cert: str | None
    client_cert: str | None
    client_key: str | None
    tls: bool
    timeout: float
    connect_timeout: float

    def client(self, max_batch: int | None = None) -> Client:
        """A client for the server, which may still be starting."""
        extra = {} if max_batch is None else {"max_batch": max_batch}
        try:
            client = Client(
                self.server,
                token=self.token,
                root_cert=self.root_cert,
                client_cert=self.client_cert,
                client_key=self.client_key,
                tls=self.tls,
                timeout=self.timeout,
                **extra,
            )
        except ConnectionOptionError as error:
            option = _OPTIONS.get(error.option, "--" + error.option.replace("_", "-"))
            raise click.BadParameter(error.reason, param_hint=f"'{option}'") from error
        encrypted = self.tls or self.root_cert or self.client_cert
        if not client.wait_until_reached(self.connect_timeout) and not encrypted and speaks_tls(self.server):
            client.close()
            raise UnavailableError(
                f"server {self.server} speaks TLS, and this command does not: give --root-cert with the file "
                "that its certificate is checked with, or --tls for the system's root certificates"
            )
        return client


def _read_token(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if not value:
        return None
    try:
        return check_token(Path(value).read_text(encoding="utf-8").strip())
    except ConnectionOptionError as error:
        raise click.BadParameter(f"{value}: {error.reason}", ctx, param) from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value}: cannot be read as a token: {error}", ctx, param) from error


def _check_server(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return check_address(value)
    except ConnectionOptionError as error:
        raise click.BadParameter(error.reason, ctx, param) from error


_OPTIONS = {"address": "--server", "token": "--token-file"}  # by argument of Client, where they differ
_FILE = click.Path(exists=True, dir_okay=False)
_SERVER_OPTIONS = [
    click.option(
        "--server",
        envvar="SPIKESERVE_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        callback=_check_server,
        help="HOST:PORT or unix:PATH; dns:///NAME:PORT for all servers behind a name.",
    ),
    click.option(
        "--token-file",
        "token",
        envvar="SPIKESERVE_TOKEN_FILE",
        show_envvar=True,
        type=_FILE,
        callback=_read_token,
        help="File with the bearer token.",
    ),
    click.option("--root-cert", type=_FILE, help="PEM file that the server's certificate is checked with."),
    click.option("--client-cert", type=_FILE, help="PEM file of the client's certificate."),
    click.option("--client-key", type=_FILE, help="PEM file of the client's key."),
    click.option("--tls", is_flag=True, help="Encrypt, with the system's root certificates."),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=600.0,
        show_default=True,
        help="Seconds to wait for the whole answer.",
    ),
    click.option(
        "--connect-timeout",
        type=click.FloatRange(min=0),
        default=5.0,
        show_default=True,
        help="Seconds to wait for a server that is not up yet.",
    ),
]


def check_folder(path: str) -> None:
    """Refuses an output file whose folder does not exist, before the work."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise click.UsageError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise click.UsageError(f"{path}: the folder {folder} cannot be written to")


def ratio(text: str) -> float:
    """A number, or a quotient such as 1/255."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"{text!r} is not a number or a quotient") from None


def server_options(command: Command) -> Command:
    """Adds the options of ServerOptions; the command gets them as `connection`."""

    def wrapper(**arguments: Any) -> Any:
        names = (
            "server",
            "token",
            "root_cert",
            "client_cert",
            "client_key",
            "tls",
            "timeout",
            "connect_timeout",
        )
        connection = ServerOptions(**{name: arguments.pop(name) for name in names})
        return command(connection=connection, **arguments)

    wrapper.__doc__, wrapper.__name__ = command.__doc__, command.__name__
    wrapper.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_SERVER_OPTIONS):
        option(wrapper)
    return wrapper  # type: ignore[return-value]


def echo_warnings(warnings: Iterable[str]) -> None:
    """Writes each on a line of stderr."""
    for text in warnings:
        click.echo(f"warning: {text}", err=True)


def echo_json(value: Any) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def echo_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; columns that start with '>' are right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_NO_WIDTH)  # a pipe or a file has none to cut cells to
    console.print(table, soft_wrap=not console.is_terminal)


@contextmanager
def progress_bar(label: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A function of (done, total) that draws a bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
