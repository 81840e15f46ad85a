"""ADT messages as a hospital sends them."""

from dataclasses import dataclass, field
from itertools import count

import pytest

from feature_store.clock import DAY, HOUR, to_moment
from feature_store.hl7 import Feed, process
from feature_store.identity import Identity

NOW = 20_500 * DAY  # 2026-02-16, winter: the wall clock shows UTC
IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")


def stamp(moment):
    """HL7 time of a moment, with its offset."""
    return to_moment(moment).strftime("%Y%m%d%H%M%S.%f")[:-2] + "+0000"


def adt(trigger, at, *, number, patient="P1", visit="V1", old=None, old_visit="", **said):
    """One ADT message; ``said`` by the names of :mod:`feature_store.hl7.statement`."""
    pv1 = {2: "class", 4: "method", 10: "specialty", 14: "source", 36: "way_out", 37: "destination"}
    pv1 = {place: said.get(name, "") for place, name in pv1.items()}
    pv1[3] = "^".join([said.get("ward", ""), "", said.get("bed", ""), said.get("site", "")])
    pv1[19] = visit
    for place, name in ((44, "admitted_at"), (45, "discharged_at")):
        value = said.get(name, "")
        pv1[place] = stamp(value) if isinstance(value, int) else value
    pid = {3: f"{patient}^^^RXX^MR", 5: "Canary^Surname", 7: said.get("born", "")}
    pid |= {8: said.get("sex", ""), 22: said.get("ethnicity", "")}
    if "nhs" in said:
        pid[3] += f"~{said['nhs']}^^^NHS^NH"

    def segment(name, places):
        return "|".join([name, *(places.get(place, "") for place in range(1, max(places) + 1))])

    sent = stamp(said.get("sent", at))
    header = f"MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|{sent}||ADT^{trigger}|{number}|P|2.4"
    event = f"EVN|{trigger}|{stamp(said.get('told', at))}||||{stamp(at)}"
    lines = [header, event, segment("PID", pid)]
    if old is not None:
        lines.append(f"MRG|{old}^^^RXX^MR||||{old_visit}")
    if visit:
        lines.append(segment("PV1", pv1))
    return ("\r".join(lines) + "\r").encode()


@dataclass
class Ward:
    """Sends messages to a store, one an hour unless told otherwise."""

    store: object
    feed: Feed = field(default_factory=Feed)
    numbers: count = field(default_factory=lambda: count(1))
    clock: int = NOW

    def message(self, trigger, at=None, **said):
        at = self.clock if at is None else at
        return adt(trigger, at, number=f"M{next(self.numbers)}", **said)

    def receive(self, raw, received_at=None):
        if received_at is None:
            self.clock += HOUR
            received_at = self.clock
        return process(raw, self.store, received_at, identity=IDENTITY, feed=self.feed)

    def send(self, trigger, at=None, **said):
        """Send, and insist that it is accepted."""
        ack = self.receive(self.message(trigger, at, **said))
        assert (ack.code, ack.reason) == ("AA", ""), ack
        return ack

    def facts(self, patient="P1", as_of=None):
        """Codes with times in hours from the beginning, and values, as known at a moment."""
        subject = IDENTITY.subject(f"RXX|{patient}")
        events = self.store.history(subject, as_of=self.clock if as_of is None else as_of)
        found = []
        for code, time, value in zip(
            events.code.tolist(), events.time.tolist(), events.numeric_value.tolist(), strict=True
        ):
            hours = None if time < 0 else (time - NOW) / HOUR
            found.append((events.codes[code], hours, None if value != value else value))  # noqa: PLR0124
        return sorted(found, key=str)

    def codes(self, patient="P1", as_of=None):
        return [code for code, _, _ in self.facts(patient, as_of)]


@pytest.fixture
def ward(store):
    """A feed into a store of each kind."""
    return Ward(store)


@pytest.fixture
def one_ward(sqlite_store):
    """A feed where the kind of database does not matter."""
    return Ward(sqlite_store)


@pytest.fixture(scope="session")
def make_ward():
    """Make a feed into a store."""
    return Ward


@pytest.fixture(scope="session")
def make_adt():
    """Make a message."""
    return adt
