"""What a spell was called by whoever sent it, sealed: the data without the key names nobody.

The store knows spells by keyed numbers. A worklist must say what the ward says, so the text is kept
beside the number, encrypted under a key derived from the pseudonym key. The number is authenticated
with it: a text moved to another spell's row does not open.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, select

from feature_store.live.database import insert_new
from feature_store.live.messages import batched
from feature_store.live.schema import NAMES

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


@lru_cache(maxsize=8)
def _cipher(secret: bytes) -> AESGCM:
    """Cipher under a key that tells nothing about the pseudonym key it comes from (RFC 5869)."""
    derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"homeward names of spells").derive(secret)
    return AESGCM(derived)


def seal_name(secret: bytes, spell: int | None, name: str | None) -> dict[int, str]:
    """Sealed name by spell; nothing where there is no name.

    >>> sealed = seal_name(b"k" * 32, 7, "RXX|V1")
    >>> open_name(b"k" * 32, 7, sealed[7]), open_name(b"k" * 32, 8, sealed[7])
    ('RXX|V1', None)
    """
    if spell is None or name is None:
        return {}
    nonce = os.urandom(_NONCE_BYTES)
    text = name.encode(errors="surrogatepass")
    sealed = nonce + _cipher(secret).encrypt(nonce, text, _bound_to(spell))
    return {spell: base64.b64encode(sealed).decode()}


def seal_names(secret: bytes, names: Mapping[int, str]) -> dict[int, str]:
    """:func:`seal_name` of several."""
    sealed: dict[int, str] = {}
    for spell, name in names.items():
        sealed |= seal_name(secret, spell, name)
    return sealed


def open_name(secret: bytes, spell: int, sealed: str) -> str | None:
    """Name of a spell; None where the key is another or the text was tampered with."""
    raw = base64.b64decode(sealed)
    nonce, text = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
    try:
        opened = _cipher(secret).decrypt(nonce, text, _bound_to(spell))
    except InvalidTag:
        return None
    return opened.decode(errors="surrogatepass")


def _bound_to(spell: int) -> bytes:
    return spell.to_bytes(8, "big")


def keep_names(connection: Connection, sealed: Mapping[int, str]) -> None:
    """Keep sealed names; the first of a spell stays."""
    known = _known(connection, sealed)
    rows = [
        {"spell_id": spell, "sealed": text}
        for spell, text in sorted(sealed.items())
        if spell not in known
    ]
    insert_new(connection, NAMES, rows)


def _known(connection: Connection, spells: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for some in batched(sorted(spells)):
        query = select(NAMES.c.spell_id).where(NAMES.c.spell_id.in_(some))
        found |= set(connection.scalars(query))
    return found


def read_names(connection: Connection, spells: Collection[int]) -> dict[int, str]:
    """Sealed names of these spells; of some there may be none."""
    found: dict[int, str] = {}
    for some in batched(sorted(spells)):
        query = select(NAMES.c.spell_id, NAMES.c.sealed).where(NAMES.c.spell_id.in_(some))
        found |= {row.spell_id: row.sealed for row in connection.execute(query)}
    return found
