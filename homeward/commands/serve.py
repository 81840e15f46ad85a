"""``homeward serve``: the scoring service."""

from __future__ import annotations

import os

import click

from homeward.output import json_option, show


@click.command(
    epilog="Example: homeward serve --port 8000  (then: curl http://127.0.0.1:8000/health/ready)"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free."
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes."
)
@json_option
def command(host: str, port: int, workers: int, as_json: bool) -> None:
    """Answer scores over HTTP until stopped.

    The model is the one that HOMEWARD_MODEL_URI names. Without HOMEWARD_API_KEYS_FILE or
    HOMEWARD_TOKEN_ISSUER the service is open and listens on a loopback address only.
    Its log goes to stderr, a JSON object a line.
    """
    from service.server import serve
    from service.settings import Settings

    settings = Settings.from_environment(os.environ)

    def told(address: str) -> None:
        is_open = not settings.is_guarded
        access = "open to this machine: no API keys" if is_open else "with keys or tokens"
        document = {"address": address, "docs": f"{address}/docs", "open": is_open}
        show(document, f"Homeward on {address} ({access}); docs at {address}/docs", as_json=as_json)

    serve(settings, host=host, port=port, workers=workers, told=told)
