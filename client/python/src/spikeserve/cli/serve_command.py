"""spikeserve serve."""

from __future__ import annotations

import os
import sys

import click

from spikeserve.local_server import find_binary

# What the server is started with unless a flag or its environment variable says otherwise.
_DEFAULTS = {
    "--listen": "127.0.0.1:8001",
    "--metrics-listen": "127.0.0.1:8002",
    "--http-listen": "127.0.0.1:8000",
    "--log-level": "warn",
}


@click.command("serve", context_settings={"ignore_unknown_options": True, "allow_extra_args": False})
@click.option(
    "--binary", type=click.Path(exists=True, dir_okay=False), help="The server, where it is another one."
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def serve_command(binary: str | None, flags: tuple[str, ...]) -> None:
    """Run a spikeserve-server in the foreground until it is interrupted.

    FLAGS are those of spikeserve-server (see `spikeserve serve -- --help`). Without --listen it listens on
    127.0.0.1:8001, without --metrics-listen on 127.0.0.1:8002, without --http-listen on 127.0.0.1:8000, for
    this machine only. It prints where it listens, and logs warnings and errors; --log-level info also logs
    its settings and every call.

    The server is the first that there is of: --binary, $SPIKESERVE_SERVER_BINARY, the one in this package
    (wheels for Linux on x86-64 carry one, for the CPU), spikeserve-server on the PATH, a build of a checkout.

    \b
    Examples:
      spikeserve serve
      spikeserve serve --backend cpu --network-repository ./networks
      spikeserve serve --listen 0.0.0.0:8001 --metrics-listen 0.0.0.0:8002 --auth-token-file token
    """
    command = [str(find_binary(binary)), *flags]
    for flag, value in _DEFAULTS.items():
        variable = "SPIKESERVE_" + flag.removeprefix("--").replace("-", "_").upper()  # as the server reads it
        if variable not in os.environ and not any(
            given == flag or given.startswith(f"{flag}=") for given in flags
        ):
            command += [flag, value]
    sys.stdout.flush()
    os.execv(command[0], command)  # signals, exit status and output are the server's own
