"""HL7 v2 ADT messages to events, in whatever order a feed delivers them.

A message is never applied to a state. What each says is kept, and whenever one arrives, what all of
them together say of the patient is told anew in the order in which things happened; the difference
to what was known becomes events and retractions from now on. So late, repeated and disordered
messages end where the right order would have, and every past moment stays as it was.

Read in this order: ``reading`` (text), ``statement`` (what a message says), ``visit`` and
``person`` (what all of them say together), ``derive`` (the difference), ``door`` (one message in,
one acknowledgement out), ``mllp`` and ``archive`` (where messages come from). The other way goes
``retelling`` (events of made-up patients as messages) by ``writing`` (one message).
"""

from feature_store.hl7.ack import Ack
from feature_store.hl7.door import Feed, process
from feature_store.hl7.statement import sent_at_of

__all__ = ["Ack", "Feed", "process", "sent_at_of"]
