"""Where every worker of an installation finds the same board: one row of the database.

A worker that wants a newer board claims the next number; whoever comes second sees that somebody is
at it. What was made under a number is posted only while that number is the last claimed, so of two
boards one counts. Nobody's clock is compared with another's.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    select,
    update,
)

from feature_store.live.database import migrate, write
from service.hub.board import Board
from service.hub.yesterday import Morning

BOARD: Final = Table(
    "hub_board",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("claimed", BigInteger, nullable=False),
    Column("posted", BigInteger, nullable=False),
    Column("sealed", LargeBinary),
)

_MIGRATIONS = Path(__file__).with_name("migrations")
_NONCE_BYTES: Final = 12
_FASTEST: Final = 1


class Notice(NamedTuple):
    """The numbers of the row.

    Parameters
    ----------
    claimed : int
        Last number that a worker took in hand.
    posted : int
        Number of the board that is there; 0 before the first.
    """

    claimed: int
    posted: int


class Posting(Struct, frozen=True):
    """What lies there: the board, and what is known of the morning before."""

    board: Board
    morning: Morning


def prepare(engine: Engine) -> None:
    """Make the table where there is none.

    Raises
    ------
    BadInput
        A newer Homeward wrote it.
    StoreUnavailable
    """
    migrate(engine, migrations=_MIGRATIONS, version_table="hub_version")


# ---- the row -------------------------------------------------------------------------------------


def read_notice(connection: Connection) -> Notice:
    """The numbers as they are now."""
    return Notice(*connection.execute(select(BOARD.c.claimed, BOARD.c.posted)).one())


def read_sealed(connection: Connection) -> bytes:
    """What was posted last."""
    return connection.scalar(select(BOARD.c.sealed)) or b""


def claim(engine: Engine, seen: Notice) -> int | None:
    """Take the next board in hand; its number, or None where somebody else was first."""
    number = seen.claimed + 1
    mine = update(BOARD).where(BOARD.c.claimed == seen.claimed).values(claimed=number)
    return number if write(engine, lambda connection: connection.execute(mine).rowcount) else None


def post(engine: Engine, number: int, sealed: bytes) -> bool:
    """Post a board; whether it counts, for another worker may have taken over."""
    mine = update(BOARD).where(BOARD.c.claimed == number, BOARD.c.posted < number)
    told = mine.values(posted=number, sealed=sealed)
    return bool(write(engine, lambda connection: connection.execute(told).rowcount))


def give_up(engine: Engine, number: int) -> None:
    """Let others make what was claimed."""
    mine = update(BOARD).where(BOARD.c.claimed == number).values(claimed=BOARD.c.posted)
    write(engine, lambda connection: connection.execute(mine))


# ---- what lies there -----------------------------------------------------------------------------


class Seal:
    """Keeps a posting from whoever has the database and not the key: it names people.

    Parameters
    ----------
    key : bytes of length 32
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, posting: Posting, number: int) -> bytes:
        """Bytes of a posting, good under this number only."""
        nonce = os.urandom(_NONCE_BYTES)
        packed = zlib.compress(msgspec.msgpack.encode(posting), _FASTEST)
        return nonce + self._cipher.encrypt(nonce, packed, _bound_to(number))

    def open(self, sealed: bytes, number: int) -> Posting | None:
        """The posting; None where the key is another, or another build of Homeward wrote it."""
        nonce, packed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            opened = zlib.decompress(self._cipher.decrypt(nonce, packed, _bound_to(number)))
            return msgspec.msgpack.decode(opened, type=Posting)
        except (InvalidTag, ValueError, zlib.error, msgspec.DecodeError):
            return None


def _bound_to(number: int) -> bytes:
    return number.to_bytes(8, "big")
