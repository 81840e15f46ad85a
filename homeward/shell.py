"""The command line: a table of commands loaded when asked for, and one door for every failure.

Exit codes are a contract: 0 done, 2 bad usage or bad input, 3 refused by a gate or by scope, 130
interrupted; 1 is a fault of Homeward's own.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import click

from feature_store.errors import NO_SPACE, BadInput, HomewardError, is_full
from service.setting_kinds import refuse_unknown
from service.settings import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = MappingProxyType(
    {
        "demo": "The whole path on synthetic data, ending in a worklist.",
        "simulate": "A synthetic acute trust as an event dataset.",
        "key": "The secret key that turns identifiers into pseudonyms.",
        "ingest": "A hospital extract to an event dataset, by a mapping file.",
        "export": "An event dataset as a MEDS dataset, for other tools.",
        "readiness": "Is this data fit to learn from, and what to mend first.",
        "train": "Fit, calibrate, evaluate and register a model.",
        "evaluate": "Judge a frozen model on data it never saw.",
        "recalibrate": "A model's calibration learnt anew for another site.",
        "compare": "Paired differences between two runs, with intervals.",
        "promote": "Move the champion alias, if every gate passes.",
        "rollback": "Move the champion alias back.",
        "score": "One row per inpatient at a moment, to a file.",
        "plan": "Before go-live: what a daily list would bring here.",
        "impact": "Did it help? By a protocol agreed beforehand.",
        "serve": "The scoring service.",
        "audit": "The record of every score: prove it, replay one.",
        "monitor": "Do the scores still come true: from the record and the store.",
        "assure": "The assurance pack: hazard log, checklists, card.",
        "retrain": "A challenger, if the monitor asks for one.",
        "drop": "Today's worklist as CSV and Parquet, with a data dictionary.",
        "relay": "Webhooks and drops: tell task trackers what is new.",
        "listen": "HL7 v2 ADT messages (MLLP) into the live store.",
        "replay": "Synthetic data into a running service, as if it happened now.",
    }
)
"""Name to one line of help, in the order of the journey: listing them imports none of them."""

ROOMS: Final = frozenset({"homeward", "service", "training", "models", "feature_store"})
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
OWN_FAULT: Final = 1
BAD_USAGE: Final = 2


class Shell(click.Group):
    """Commands by name; each module is imported only when its command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names, in the order of the journey."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Command of this name; None for an unknown one."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"homeward.commands.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    try:
        click.echo(f"homeward {importlib.metadata.version('homeward')}")
    except importlib.metadata.PackageNotFoundError:
        click.echo("homeward, run from its source without being installed")
    context.exit()


@click.group(
    cls=Shell,
    epilog="Example: homeward demo  (each command: homeward COMMAND --help)",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error arose.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
def shell(show_traceback: bool) -> None:  # noqa: ARG001 - run() acts on it, also before this is reached
    """Which of today's inpatients are heading for a long stay, and why.

    Exit codes: 0 done; 2 bad usage or bad input; 3 refused by a gate or by scope.
    """
    refuse_unknown(os.environ, NAMES)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; whatever fails becomes an exit code and one clear line.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.

    Returns
    -------
    int
        Exit code.
    """
    try:
        answer = shell.main(args=list(arguments), prog_name="homeward", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one door: nothing may pass as a traceback
        return _failed(error, with_traceback="--traceback" in arguments)
    return answer if isinstance(answer, int) else 0


_EXTRA_OF: Final = {"pyspark": "spark"}
"""Libraries that come with another extra than ``train``."""


def _failed(error: Exception, *, with_traceback: bool) -> int:
    if with_traceback:
        traceback.print_exception(error)
    if is_full(error) and not isinstance(error, HomewardError):
        error = BadInput(f"{NO_SPACE}; make room and run again")
    if isinstance(error, click.ClickException):
        error.show()
        return BAD_USAGE
    if isinstance(error, HomewardError):
        click.echo(f"homeward: {error}", err=True)
        return error.exit_code
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] not in ROOMS:
        click.echo(
            f"homeward: this command needs the library {error.name}, which is not installed here; "
            f"install homeward with its '{_EXTRA_OF.get(error.name or '', 'train')}' extra",
            err=True,
        )
        return BAD_USAGE
    # The message of an unforeseen error may quote a record, so its kind and place must do.
    place = traceback.extract_tb(error.__traceback__)[-1]
    click.echo(
        f"homeward: unforeseen {type(error).__name__} ({os.path.basename(place.filename)}, "  # noqa: PTH119
        f"line {place.lineno}); this is a fault of Homeward, --traceback shows more",
        err=True,
    )
    return OWN_FAULT
