"""The command group: which commands there are, and how errors end them."""

from __future__ import annotations

import sys
from typing import Any

import click

from spikeserve.convert import ConversionError
from spikeserve.errors import (
    DeadlineExceededError,
    SpikeserveError,
    UnauthenticatedError,
    UnavailableError,
)
from spikeserve.local_server import ServerStartError

EXIT_ERROR = 1
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130

_COMMANDS = {
    "convert": ("spikeserve.cli.convert_command", "convert_command"),
    "export-nir": ("spikeserve.cli.export_command", "export_nir_command"),
    "inspect": ("spikeserve.cli.inspect_command", "inspect_command"),
    "load": ("spikeserve.cli.network_commands", "load_command"),
    "unload": ("spikeserve.cli.network_commands", "unload_command"),
    "alias": ("spikeserve.cli.network_commands", "alias_command"),
    "list": ("spikeserve.cli.network_commands", "list_command"),
    "classify": ("spikeserve.cli.classify_command", "classify_command"),
    "simulate": ("spikeserve.cli.simulate_command", "simulate_command"),
    "evaluate": ("spikeserve.cli.evaluate_command", "evaluate_command"),
    "serve": ("spikeserve.cli.serve_command", "serve_command"),
}


class _Commands(click.Group):
    """Imports a command when it is used, so that --help is quick; turns errors into one line and a status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(__import__(module, fromlist=[attribute]), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (UnavailableError, DeadlineExceededError) as error:
            _fail(error.message, EXIT_UNREACHABLE)
        except UnauthenticatedError as error:
            _fail(f"{error.message} (--token-file FILE, or SPIKESERVE_TOKEN_FILE, has the token)", EXIT_ERROR)
        except (SpikeserveError, ConversionError, ServerStartError, ValueError) as error:
            _fail(str(error), EXIT_ERROR)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output is gone; say nothing about it
            sys.exit(EXIT_ERROR)
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), EXIT_ERROR)
        except KeyboardInterrupt:
            _fail("interrupted", EXIT_INTERRUPTED)


def _fail(message: str, status: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(status)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spikeserve", message="spikeserve %(version)s")
def main() -> None:
    """Convert trained networks (Keras, ONNX) to spiking networks and run them on a spikeserve server.

    \b
    Examples:
      spikeserve convert model.keras model.spk --sample-data train.npy
      spikeserve serve
      spikeserve load fashion model.spk
      spikeserve classify fashion images.npy --steps 16

    Exit status: 0 done, 1 refused or failed, 2 wrong use, 3 server not reached in time, 130 interrupted.
    """
