"""The bytes of a request's body: of the right kind, not too many, not too slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Message, Receive

ARRIVAL_SECONDS: Final = 30.0
MEBIBYTE: Final = 1024 * 1024


def expect_json(headers: Mapping[bytes, bytes]) -> None:
    """Accept JSON in UTF-8, not compressed: a small body must not become a large one in here.

    It also keeps out what a web page can make a browser send without asking (a plain form).

    Raises
    ------
    Problem
        415.
    """
    media, _, parameter = headers.get(b"content-type", b"").lower().partition(b";")
    plain = headers.get(b"content-encoding", b"identity").lower() == b"identity"
    charset = parameter.replace(b" ", b"").replace(b'"', b"")
    if media.strip() != b"application/json" or charset not in {b"", b"charset=utf-8"} or not plain:
        raise Problem(415, headers={"Accept-Post": "application/json"})


def expect_media(headers: Mapping[bytes, bytes], types: Sequence[str]) -> None:
    """Accept a body of one of these types, not compressed.

    Raises
    ------
    Problem
        415.
    """
    media = headers.get(b"content-type", b"").lower().partition(b";")[0].strip()
    plain = headers.get(b"content-encoding", b"identity").lower() == b"identity"
    if media.decode("latin-1") not in types or not plain:
        raise Problem(415, f"Send {types[0]}, unencoded.", headers={"Accept-Post": types[0]})


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], *, most_mib: int) -> bytes:
    """Read a whole body.

    Raises
    ------
    Problem
        413 when it is larger than ``most_mib``, known beforehand or not; 408 when it dawdles.
    ClientDisconnect
        The caller went away.
    """
    most = most_mib * MEBIBYTE
    told = headers.get(b"content-length", b"")
    if told.isdigit() and int(told) > most:
        raise _too_large(most_mib)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole = message.get("body", b"")  # the usual case: one piece, no clock needed
        if len(whole) > most:
            raise _too_large(most_mib)
        return bytes(whole)
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            return await _read_pieces(message, receive, most_mib=most_mib)
    except TimeoutError:
        raise Problem(408, headers={"Connection": "close"}) from None


async def _read_pieces(message: Message, receive: Receive, *, most_mib: int) -> bytes:
    pieces, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        size += len(piece)
        if size > most_mib * MEBIBYTE:
            raise _too_large(most_mib)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()


def _too_large(most_mib: int) -> Problem:
    return Problem(413, f"At most {most_mib} MiB are read; send less in a request.")
