"""Web pages that may call ``/cds-services`` from a browser: those of the set-up, no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/cds-services"


class Origins:
    """ASGI middleware: the library's, for these addresses alone.

    Parameters
    ----------
    app : ASGI application
    origins : sequence of str
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._with_cors = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        mine = scope["type"] == "http" and (scope["path"] + "/").startswith(PATH + "/")
        await (self._with_cors if mine else self._app)(scope, receive, send)
