"""``homeward demo``."""

import click


@click.command(epilog="Example: homeward demo --exit")
@click.option(
    "--exit", "leave", is_flag=True, help="Stop the service and leave once the worklist is printed."
)
@click.option("--port", default=8000, show_default=True, help="Port of the service on 127.0.0.1.")
@click.option("--spells", default=9000, show_default=True, help="Synthetic spells to learn from.")
def command(leave: bool, port: int, spells: int) -> None:
    """Simulate a trust, train, promote, serve, and print today's worklist.

    The data are synthetic. Files go to var/, runs to the local MLflow store.
    """
    from homeward.demo import DemoSettings, run_demo

    run_demo(DemoSettings(port=port, spells=spells, leave_running=not leave))
