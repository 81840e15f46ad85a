"""The service on the live store: events in, spells and the worklist of a discharge hub out.

Read in this order: ``live`` (the store, opened when it is there), ``intake`` (events and messages
in), ``present`` (what a worklist shows beside a score), ``scoring`` (inpatients to scores, with
their account), ``yesterday`` and ``ranking`` (what is new, who comes first), ``board`` (the whole
list), ``noticeboard`` and ``rounds`` (all workers answer from one, made once a minute at most),
``worklist`` (what one caller sees of it), ``spell`` (one patient), ``desk`` (answers, each on the
record), ``queries``, ``documents`` and ``routes`` (HTTP).
"""

from service.hub.desk import Desk
from service.hub.live import WAIT_SECONDS, Live
from service.hub.routes import hub_routes

__all__ = ["WAIT_SECONDS", "Desk", "Live", "hub_routes"]
