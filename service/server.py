"""Runs the service: a socket, a server, as many workers as asked for."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from feature_store.errors import BadInput, HomewardError
from service.access import is_loopback
from service.app import create_app
from service.connection import Connection
from service.logs import set_up_logs
from service.metrics import SHARED_FOLDER
from service.setting_kinds import variable
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

GRACE_SECONDS = 30
"""How long requests under way may take to end once the server is told to stop."""

BACKLOG = 2048

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of one's own is made in it
"""Where Linux keeps files in memory; elsewhere they go where temporary files go."""


def serve(
    settings: Settings, *, host: str, port: int, workers: int, told: Callable[[str], None]
) -> None:
    """Serve until told to stop; requests under way are finished first.

    Parameters
    ----------
    settings : Settings
    host : str
    port : int
        0 takes a free one.
    workers : int
    told : callable
        Told the address, once it is taken; the first request may wait for the model.

    Raises
    ------
    BadInput
        The address cannot be used, is not this machine's own while there are no API keys, or the
        settings cannot be used.
    HomewardError
        The server did not start.
    """
    if not settings.is_guarded and not is_loopback(host):
        msg = (
            "without API keys the service opens on a loopback address only; name a file of keys in "
            f"{variable('api_keys_file')} or a token issuer, or serve on 127.0.0.1"
        )
        raise BadInput(msg)
    set_up_logs(settings.log_level)
    with _listen(host, port) as listener:
        named = f"[{host}]" if ":" in host else host
        address = f"http://{named}:{listener.getsockname()[1]}"
        if workers > 1:
            _serve_by_many(settings, listener, workers, lambda: told(address))
        else:
            _serve_by_one(settings, listener, lambda: told(address))


def _serve_by_one(settings: Settings, listener: socket.socket, told: Callable[[], None]) -> None:
    server = uvicorn.Server(_config(create_app(settings)))
    told()
    server.run(sockets=[listener])
    if not server.started:
        msg = "the server did not start; its log says why"
        raise HomewardError(msg)


def _serve_by_many(
    settings: Settings, listener: socket.socket, workers: int, told: Callable[[], None]
) -> None:
    """Let workers share the socket; each reads the settings from the environment again."""
    create_app(settings)  # settings that cannot be used stop the start here, not in every worker
    with _shared_numbers():
        told()
        Multiprocess(_config("service.server:worker", workers=workers), sockets=[listener]).run()


@contextlib.contextmanager
def _shared_numbers() -> Iterator[None]:
    """Folder for the numbers of workers, in memory: a full disk kills who maps a file of it."""
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"homeward-{os.getpid()}-", dir=memory) as folder:
        os.environ[SHARED_FOLDER] = folder
        yield


def worker() -> FastAPI:
    """Make the service of one worker process."""
    settings = Settings.from_environment(os.environ)
    set_up_logs(settings.log_level)
    return create_app(settings)


def _config(app: object, *, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        factory=isinstance(app, str),
        workers=workers,
        loop="uvloop",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=GRACE_SECONDS,  # a busy machine is no dead worker
        backlog=BACKLOG,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything is loaded: an address in use is said at once and in one line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        msg = f"cannot listen on {host} port {port}: {error.strerror or type(error).__name__}"
        raise BadInput(msg) from error
    listener.set_inheritable(True)
    return listener
