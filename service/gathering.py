"""What is asked in one turn of the event loop is answered in one pass: the busier, the cheaper.

Reading, features and trees cost a good deal a pass and little a spell more. Who asks alone is
answered at once, alone. Where several came together the last time, others are on their way while
answers are sent: then one turn more is waited, which takes microseconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service.answering import Answered, answer_alone, answer_scores

if TYPE_CHECKING:
    from service.answering import Asker, ServedModel

MOST_BYTES: Final = 64 * 1024
"""Of bodies in one pass, beyond the first: nothing else is answered while it lasts."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    body: bytes
    model: ServedModel
    asker: Asker
    reasons: int | None
    done: asyncio.Future[Answered]

    def answer_alone(self) -> None:
        """Answer this request by itself."""
        try:
            done = answer_alone(self.body, self.model, self.asker, reasons=self.reasons)
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must be told
            self.tell(error)
        else:
            self.tell(done)

    def tell(self, what: Answered | Exception) -> None:
        """Let whoever waits go on, unless gone."""
        if self.done.done():
            return
        if isinstance(what, Exception):
            self.done.set_exception(what)
        else:
            self.done.set_result(what)


class Gathering:
    """Requests of one event loop that wait for their turn to end."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._pressed = self._waited = False

    async def answer(
        self, body: bytes, model: ServedModel, asker: Asker, *, reasons: int | None
    ) -> Answered:
        """Answer a request; parameters as of :func:`service.answering.answer_scores`.

        Raises
        ------
        Problem
            The request cannot be used.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(body, model, asker, reasons, loop.create_future())
        self._waiting.append(one)
        if len(self._waiting) == 1:
            loop.call_soon(self._answer)
        return await one.done

    def _answer(self) -> None:
        """Answer those at the front that go together; the others in the next turn."""
        if self._pressed and not self._waited:
            self._waited = True
            asyncio.get_running_loop().call_soon(self._answer)
            return
        self._waited = False
        together = self._take()
        self._pressed = len(together) > 1
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        if len(together) == 1:
            together[0].answer_alone()
            return
        first = together[0]
        try:
            told = answer_scores(
                [one.body for one in together],
                first.model,
                [one.asker for one in together],
                reasons=first.reasons,
            )
        except Exception:  # noqa: BLE001 - one may be at fault for all
            for one in together:
                one.answer_alone()
            return
        for one, what in zip(together, told, strict=True):
            one.tell(what)

    def _take(self) -> list[_Waiting]:
        first = self._waiting.popleft()
        together, size = [first], len(first.body)
        while self._waiting:
            one = self._waiting[0]
            size += len(one.body)
            alike = one.model is first.model and one.reasons == first.reasons
            if not alike or size > MOST_BYTES:
                break
            together.append(self._waiting.popleft())
        return together
