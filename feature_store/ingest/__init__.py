"""From any tabular extract to an event dataset, by a mapping file and without code.

Read in this order: ``mapping`` (the words of a mapping file), ``run`` (the steps),
``spell_table`` (first reading), ``tables`` and ``facts`` (second reading), ``timing`` (when each
fact became known).
"""

from feature_store.ingest.run import ingest

__all__ = ["ingest"]
