"""The command line: options in, one public function per command, tables out. No logic."""

from __future__ import annotations

import os
import sys

import typer
from typer.exceptions import TyperException

from archgym.errors import ArchGymError

app = typer.Typer(
    name="archgym",
    help="Find accelerator designs by machine learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


INTERRUPTED = 130  # exit code of Ctrl-C


def _version(value: bool) -> None:
    if value:
        from archgym import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


from archgym.cli import (  # noqa: E402 (their commands join the app)
    compare,  # noqa: F401
    dataset,  # noqa: F401
    evaluate,  # noqa: F401
    listing,  # noqa: F401
    quality,  # noqa: F401
    search,  # noqa: F401
    surrogate,  # noqa: F401
    timeline,  # noqa: F401
    validate,  # noqa: F401
    workload,  # noqa: F401
)


def main() -> None:
    """Run the command line; every error is one line on stderr and exit code 2."""
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer returns it and says nothing
            _fail("interrupted")
        sys.stdout.flush()
        sys.exit(code or 0)
    except TyperException as error:  # a wrong option or argument
        sys.exit(_fail(getattr(error, "format_message", error.__str__)()))
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


def _began_as_interrupt(error: BaseException | None) -> bool:
    """Whether an error came up while a KeyboardInterrupt was on its way."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _fail(message: str) -> int:
    typer.echo("archgym: " + " ".join(message.split()), err=True)
    return 2
