"""Asking: one request, tried again where that can help."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from homeward.client.words import Document, Kept, Model, Problem, Scores, Spell, Unreachable

MOST_SPELLS: Final = 1000
LONGEST_WAIT: Final = 60.0
_AGAIN: Final = frozenset({429, 503})

Answer = TypeVar("Answer")


class Client:
    """One service.

    Parameters
    ----------
    address : str
        Such as ``https://homeward.trust.example``.
    credential : str or callable, optional
        API key or token; a function is called for each request, and returns a fresh token.
    attempts : int
        How often a request is tried in all.
    timeout : float
        Seconds for one attempt.
    transport : httpx.BaseTransport, optional
        For proxies and tests.
    sleep : callable
        Waits for so many seconds.
    """

    def __init__(
        self,
        address: str,
        *,
        credential: str | Callable[[], str] | None = None,
        attempts: int = 4,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._credential = credential
        self._attempts = attempts
        self._sleep = sleep
        _quieten()
        self._http = httpx.Client(base_url=address, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def score(self, spells: Sequence[Spell], *, at: datetime, all_reasons: bool = False) -> Scores:
        """Score spells as they were known at one moment.

        Parameters
        ----------
        spells : sequence of Spell
            1 to 1,000.
        at : datetime
            With an offset.
        all_reasons : bool
            Every reason rather than the top few.

        Raises
        ------
        ValueError
            A moment without an offset, or another number of spells.
        Problem
            The service refused the request as a whole.
        Unreachable
            It did not answer.
        """
        if not 1 <= len(spells) <= MOST_SPELLS:
            msg = f"1 to {MOST_SPELLS} spells expected, got {len(spells)}"
            raise ValueError(msg)
        _expect_offsets(spells, at)
        asked = {"prediction_time": at, "spells": spells}
        query = {"reasons": "all"} if all_reasons else {}
        return self._ask("POST", "v1/scores", Scores, content=asked, query=query)

    def feedback(
        self,
        score_id: str,
        verdict: str,
        *,
        reason: str | None = None,
        action: str | None = None,
        expected_discharge_at: datetime | None = None,
    ) -> Kept:
        """Say what became of a score: ``seen``, ``agreed`` or ``overridden``.

        Raises
        ------
        Problem
            No such score, or codes that are not in the lists.
        Unreachable
            The service did not answer.
        """
        said: dict[str, Any] = {"verdict": verdict, "reason": reason, "action": action}
        said["expected_discharge_at"] = expected_discharge_at
        path = f"v1/scores/{quote(score_id, safe='')}/feedback"
        return self._ask("POST", path, Kept, content=said)

    def model(self) -> Model:
        """Which model is being served."""
        return self._ask("GET", "v1/model", Model)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Ask any other address that answers with a JSON object, such as ``v1/worklist``."""
        return self._ask("GET", path, dict[str, Any], query=query)

    def _ask(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        *,
        content: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        request = self._http.build_request(
            method,
            path,
            params=query or None,
            content=None if content is None else msgspec.json.encode(content),
            headers={"X-Request-ID": uuid.uuid4().hex, "Content-Type": "application/json"},
        )
        answer = self._send(request)
        if answer.is_success:
            return msgspec.json.decode(answer.content, type=kind)
        raise Problem(_problem(answer))

    def _send(self, request: httpx.Request) -> httpx.Response:
        """Send until there is an answer that is one, or the attempts are used up."""
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            self._authorise(request)
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                if last:
                    msg = f"no answer in {attempt} attempts ({type(error).__name__})"
                    raise Unreachable(msg) from None
                self._sleep(_pause(attempt, None))
                continue
            if answer.status_code not in _AGAIN or last:
                return answer
            self._sleep(_pause(attempt, answer.headers.get("Retry-After")))
        msg = "at least one attempt expected"
        raise ValueError(msg)

    def _authorise(self, request: httpx.Request) -> None:
        credential = self._credential
        if credential is not None:
            told = credential if isinstance(credential, str) else credential()
            request.headers["Authorization"] = f"Bearer {told}"


def _quieten() -> None:
    """Keep httpx from logging addresses, which may hold identifiers, unless it was told to."""
    log = logging.getLogger("httpx")
    if log.level == logging.NOTSET:
        log.setLevel(logging.WARNING)


def _pause(attempt: int, told: str | None) -> float:
    """Seconds to wait: as told, else twice as long each time.

    >>> _pause(1, "3"), _pause(1, None), _pause(3, None), _pause(1, "86400")
    (3.0, 0.5, 2.0, 60.0)
    """
    wait = float(told) if told is not None and told.isdigit() else 0.25 * 2**attempt
    return min(wait, LONGEST_WAIT)


def _problem(answer: httpx.Response) -> Document:
    try:
        return msgspec.json.decode(answer.content, type=Document)
    except msgspec.DecodeError:  # of a proxy, perhaps
        return Document(answer.status_code, "Not an answer of Homeward")


def _expect_offsets(spells: Sequence[Spell], at: datetime) -> None:
    moments = [at]
    for spell in spells:
        for event in spell.events:
            moments += [moment for moment in (event.time, event.recorded_at) if moment is not None]
    if any(moment.tzinfo is None for moment in moments):
        msg = "moments with an offset expected, found one without"
        raise ValueError(msg)
