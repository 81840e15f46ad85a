"""Receivers that listen on this machine, worklists that are made up, a clock set by hand."""

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from homeward.relay.loop import Relay, World
from homeward.relay.outbox import Outbox
from homeward.relay.trackers_file import Trackers
from homeward.relay.webhook import Webhook

SECRET = b"s" * 32
KEY = b"k" * 32


class Receiver:
    """An HTTP server that answers as it is told, and remembers what it got."""

    def __init__(self):
        self.answers, self.got = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(
                    ({name.lower(): value for name, value in self.headers.items()}, body)
                )
                status, more = outer.answers.pop(0) if outer.answers else (204, {})
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/homeward"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def told(self):
        return [json.loads(body) for _, body in self.got]

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def made_entry(spell, *, band="high", change=None, site="RXX01", section="stay_risk", so_far=3):
    """An inpatient as the worklist gives it, as far as a relay looks."""
    chances = {str(days): 1.0 if days <= so_far else 0.6 for days in (7, 14, 21)}
    return {
        "spell_id": spell,
        "site": site,
        "section": section,
        "change": change,
        "score": {
            "score_id": f"score-of-{spell}",
            "band": band,
            "days_so_far": so_far,
            "probability": chances,
        },
    }


def made_list(*entries, at="2026-01-14T06:00:00+00:00", refused=()):
    """An answer of the worklist, as far as a relay looks."""
    return {"at": at, "entries": list(entries), "refused": [{"spell_id": one} for one in refused]}


@pytest.fixture
def made():
    """What makes an entry, and a worklist of entries."""
    return SimpleNamespace(entry=made_entry, list=made_list)


@pytest.fixture
def receivers():
    """Return a function that opens a receiver."""
    opened = []

    def make():
        opened.append(Receiver())
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def webhook():
    """Return a function that makes the webhook of a receiver."""

    def make(receiver, name="tasks", **more):
        return Webhook(name=name, url=receiver.address, secrets=[SECRET], **more)

    return make


@pytest.fixture
def world():
    """A world whose worklist, cancelled spells and time a test sets."""
    return SimpleNamespace(list=made_list(), cancelled=set(), now=1_768_370_400_000_000, lines=[])


@pytest.fixture
def relay_of(world, tmp_path):
    """Return a function that makes a relay of trackers; called again, it is a restart."""
    opened = []

    def make(*trackers, url=f"sqlite:///{tmp_path / 'outbox.db'}"):
        outbox = Outbox(url, KEY, chance=lambda: 0.0)
        opened.append(closing(outbox))
        made = World(
            worklist=lambda: world.list,
            cancelled=lambda spells, _at: {
                one for one in spells if one in {outbox.number_of(name) for name in world.cancelled}
            },
            told=world.lines.append,
            now=lambda: world.now,
        )
        return Relay(Trackers(trackers, 60), outbox, made)

    yield make
    for one in opened:
        one.__exit__(None, None, None)
