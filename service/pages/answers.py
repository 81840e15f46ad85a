"""A template and its values to an answer, packed where the browser can unpack."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request, Response

from service.pages.render import POLICY, render

HTML: Final = "text/html; charset=utf-8"
WORTH_PACKING: Final = 1400  # bytes: about one packet


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """Answer with a page."""
    content = render(template, **values)
    ours = {
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "same-origin",  # without one, browsers hide where a form came from
        "Vary": "Accept-Encoding",
        **(headers or {}),
    }
    packs = "gzip" in request.headers.get("accept-encoding", "")
    if packs and len(content) > WORTH_PACKING:
        content = gzip.compress(content, 4, mtime=0)
        ours["Content-Encoding"] = "gzip"
    return Response(content, status, media_type=HTML, headers=ours)
