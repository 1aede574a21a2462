"""The command line: options in, one public function per command, tables out. No logic."""

from __future__ import annotations

import io
import os
import sys

import typer
from typer.exceptions import TyperException

from archgym.errors import ArchGymError

app = typer.Typer(
    name="archgym",
    help="Find accelerator designs by machine learning.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


INTERRUPTED = 130  # exit code of Ctrl-C


def _version(value: bool) -> None:
    if value:
        from archgym import __version__

        typer.echo(__version__)
        raise typer.Exit


FIRST = """\
Try first:

  archgym search --workload resnet50 --budget 2000      a design for a network
  archgym evaluate tpu-v1 --workload bert-base          a published machine, operator by operator
  archgym envs systolic                                 what can be chosen and what is measured
"""


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(FIRST)
        typer.echo(context.get_help())


from archgym.cli import (  # noqa: E402 (their commands join the app)
    compare,  # noqa: F401
    dashboard,  # noqa: F401
    dataset,  # noqa: F401
    evaluate,  # noqa: F401
    listing,  # noqa: F401
    quality,  # noqa: F401
    report,  # noqa: F401
    search,  # noqa: F401
    simulators,  # noqa: F401
    surrogate,  # noqa: F401
    sweep,  # noqa: F401
    timeline,  # noqa: F401
    validate,  # noqa: F401
    workload,  # noqa: F401
)


def main() -> None:
    """Run the command line; every error is one line on stderr and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name need not be text that can be printed
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer returns it and says nothing
            _fail("interrupted")
        sys.stdout.flush()
        sys.exit(code or 0)
    except TyperException as error:  # a wrong option or argument
        message = getattr(error, "format_message", error.__str__)()
        sys.exit(_fail(message or "a command is missing: the help names them"))
    except ArchGymError as error:
        sys.exit(_fail(str(error)))
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted")
        sys.exit(INTERRUPTED)
    except (ImportError, AttributeError, SystemError) as error:  # what Ctrl-C becomes inside a half-imported library
        if not _began_as_interrupt(error):
            raise
        _fail("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `archgym ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # what the system refuses wherever a path is looked at: a name that is too long
        if error.strerror is None:
            raise
        sys.exit(_fail(f"{error.strerror}: {str(error.filename)[:200]!r}" if error.filename else error.strerror))


def _began_as_interrupt(error: BaseException | None) -> bool:
    """Whether an error came up while a KeyboardInterrupt was on its way."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _fail(message: str) -> int:
    typer.echo("archgym: " + " ".join(message.split()), err=True)
    return 2
