"""What is asked in one turn of the event loop is answered in one pass: the busier, the cheaper.

Reading, features and trees cost a good deal a pass and little a spell more. Who asks alone is
answered at once, alone. While answers of the last pass are being put on the record and sent, who
comes waits for them to leave, and a moment more, at most some tenths of a millisecond: the one
processor that would answer them is busy anyway, and the next pass takes in all who came meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service.answering import Answered, answer_alone, answer_scores

if TYPE_CHECKING:
    from service.answering import Asker, ServedModel

LINGER_TURNS: Final = 6
"""Of the event loop, some microseconds each: in so many whoever was just answered may ask again."""

MOST_TURNS: Final = 20
"""That a pass waits in all: the record may take longer, or somebody may not read an answer."""

MOST_BYTES: Final = 64 * 1024
"""Of bodies in one pass, beyond its first: nothing else is answered while it lasts."""


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
    """Requests of one event loop that wait for the pass which answers them.

    A context: entered while a request is answered, put on the record and sent.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._under_way = 0  # those that wait, and those answered and not yet sent
        self._turns = self._linger = 0

    def __enter__(self) -> None:
        """One more is under way."""
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        """It has left, or failed."""
        self._under_way -= 1

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
        """Answer those that go together; the others in a later turn."""
        if self._may_wait():
            asyncio.get_running_loop().call_soon(self._answer)
            return
        together = self._take()
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

    def _may_wait(self) -> bool:
        """Whether more may come soon: answers are still on their way out, or have just left."""
        if self._under_way > len(self._waiting):
            self._linger = LINGER_TURNS
        if not self._linger or self._turns == MOST_TURNS:
            self._linger = self._turns = 0
            return False
        self._linger -= 1
        self._turns += 1
        return True

    def _take(self) -> list[_Waiting]:
        """The first that waits, and all like it that go with it; the others keep their order."""
        first = self._waiting[0]
        together: list[_Waiting] = []
        others: deque[_Waiting] = deque()
        room = MOST_BYTES + len(first.body)
        for one in self._waiting:
            alike = one.model is first.model and one.reasons == first.reasons
            if alike and len(one.body) <= room:
                room -= len(one.body)
                together.append(one)
            else:
                others.append(one)
        self._waiting = others
        return together
