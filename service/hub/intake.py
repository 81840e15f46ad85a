"""Events and messages in: bytes to the live store, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from feature_store.clock import to_microseconds
from feature_store.errors import BadEvents
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.identity import Identity
from feature_store.live import Appended
from feature_store.live.names import seal_names
from service.hub.live import Live
from service.identifiers import is_opaque
from service.problems import Fault, Problem
from service.reading import (
    MOST_FAULTS,
    decode_strictly,
    identifier_faults,
    refuse_repeated_keys,
    year_faults,
)
from service.wire_live import EventsAnswer, EventsRequest, LiveEvent, RetractedAnswer

if TYPE_CHECKING:
    from feature_store.hl7 import Ack, Feed
    from service.settings import Settings

_decode: Final = msgspec.json.Decoder(EventsRequest).decode


def add_events(live: Live, body: bytes) -> EventsAnswer:
    """Keep the events of a request.

    Raises
    ------
    Problem
        422, with the places; nothing was kept.
    StoreUnavailable
        Nothing was kept.
    """
    request = read_events(body)
    identity = Identity(live.secret)
    names = {event.spell_id for event in request.events if event.spell_id is not None}
    sealed = seal_names(live.secret, {identity.spell(name): name for name in names})
    add = partial(live.store.append, received_at=live.now(), names=sealed)
    appended = _checked(add, to_events(request, identity))
    return EventsAnswer(appended.added, appended.known)


def retract_events(live: Live, body: bytes) -> RetractedAnswer:
    """Take back events that were sent before.

    Raises
    ------
    Problem
        422.
    StoreUnavailable
        Nothing was changed.
    """
    events = to_events(read_events(body), Identity(live.secret))
    return RetractedAnswer(live.store.retract(events, at=live.moment()))


class Feeding:
    """Who may send ADT messages, and what their codes mean.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    BadInput
        The codebook cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        if settings.adt_codebook is not None:
            _ = self.feed  # a codebook that is none stops the start

    @cached_property
    def feed(self) -> Feed:
        """Made when first needed: the reader of messages is of use to a feed of messages only."""
        from feature_store.hl7 import Feed  # noqa: PLC0415
        from feature_store.hl7.codebook import codebook_of  # noqa: PLC0415

        settings = self._settings
        codebook = codebook_of(settings.adt_codebook)
        return Feed(settings.facilities, live=not settings.adt_test, codebook=codebook)


def take_message(live: Live, body: bytes, feeding: Feeding) -> Ack:
    """Keep an ADT message, and what follows from it.

    Raises
    ------
    StoreUnavailable
        Nothing was kept, and nothing may be acknowledged.
    """
    from feature_store.hl7 import process, sent_at_of  # noqa: PLC0415

    identity = Identity(live.secret)
    received_at = live.received(sent_at_of(body) if live.by_data else None)
    return process(body, live.store, received_at, identity=identity, feed=feeding.feed)


def _checked(add: Callable[[Events], Appended], events: Events) -> Appended:
    try:
        return add(events)
    except BadEvents as error:
        found = (
            Fault(f"#/events/{place}", what)
            for what, places in error.faults.items()
            for place in places
        )
        raise Problem(422, faults=list(islice(found, MOST_FAULTS))) from None


# ---- reading -------------------------------------------------------------------------------------


def read_events(body: bytes) -> EventsRequest:
    """Bytes to a checked request.

    Raises
    ------
    Problem
        422, with what is wrong and where; never a value.
    """
    request = decode_strictly(body, _decode)
    refuse_repeated_keys(body, texts=_texts(request))
    faults = list(islice(_faults(request), MOST_FAULTS))
    if faults:
        raise Problem(422, faults=faults)
    return request


def _texts(request: EventsRequest) -> int:
    """How many JSON strings a request held, as keys and as values."""
    return 1 + sum(map(_texts_of, request.events))


def _texts_of(event: LiveEvent) -> int:
    keys = 4 + (event.recorded_at is not msgspec.UNSET) + (event.numeric_value is not msgspec.UNSET)
    said = (event.subject_id, event.spell_id, event.code, event.time, event.recorded_at)
    return keys + sum(isinstance(one, str | datetime) for one in said)


def _faults(request: EventsRequest) -> Iterator[Fault]:
    for row, event in enumerate(request.events):
        place = f"#/events/{row}"
        yield from identifier_faults(event.subject_id, f"{place}/subject_id")
        if event.spell_id is not None:
            yield from identifier_faults(event.spell_id, f"{place}/spell_id")
        if not is_opaque(event.code):
            yield Fault(f"{place}/code", "text without control characters expected")
        yield from year_faults(event, place)


def to_events(request: EventsRequest, identity: Identity) -> Events:
    """Events of a request under their pseudonyms."""
    sent = request.events
    subjects = {name: identity.subject(name) for name in {one.subject_id for one in sent}}
    spells = {one.spell_id: _spell(one.spell_id, identity) for one in sent}
    return Events.build(
        subject_id=[subjects[one.subject_id] for one in sent],
        spell_id=[spells[one.spell_id] for one in sent],
        code=[one.code for one in sent],
        time=[_moment(one.time) for one in sent],
        recorded_at=[_moment(one.recorded_at) for one in sent],
        numeric_value=[
            np.nan if one.numeric_value in {None, msgspec.UNSET} else one.numeric_value
            for one in sent
        ],
    )


def _spell(name: str | None, identity: Identity) -> int:
    return NO_SPELL if name is None else identity.spell(name)


def _moment(moment: object) -> int:
    return to_microseconds(moment) if isinstance(moment, datetime) else NO_TIME
