"""Events of patients who are in hospital now, in a database that many may write to at once.

Read in this order: ``schema`` (the tables), ``database`` (connections, transactions, migrations),
``store`` (what can be asked of it), ``history`` and ``spell_index`` (how it answers), ``census``
(the same answers from memory, kept up by ``changes``), ``names`` (what a spell is called).
SQLAlchemy is loaded with this package and by nothing else: scoring what a request brings along does
without.
"""

from feature_store.live.database import StoreUnavailable
from feature_store.live.store import Appended, LiveStore, open_store

__all__ = ["Appended", "LiveStore", "StoreUnavailable", "open_store"]
