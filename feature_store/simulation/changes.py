"""Planted changes: sites at which, from a day on, whoever waits leaves sooner."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np

from feature_store.errors import BadInput
from feature_store.simulation.arrivals import Arrivals
from feature_store.simulation.effects import Profile
from feature_store.simulation.trust import Trust

_EPOCH: Final = date(1970, 1, 1)


def plant(profile: Profile, arrivals: Arrivals, trust: Trust) -> Profile:
    """Profiles under the changes of the settings; as they were where there are none.

    Nothing is drawn: a trust with a change and the same trust without it share every chance.

    Raises
    ------
    BadInput
        A change at a site that the trust does not have, or two at one site.
    """
    changes = trust.settings.changes
    codes = trust.sites.codes
    named = [change.site for change in changes]
    if len(set(named)) < len(named) or not set(named) <= set(codes):
        msg = f"changes: each at another site expected, of {', '.join(codes)}"
        raise BadInput(msg)
    sooner, since = profile.sooner.copy(), profile.sooner_from.copy()
    for change in changes:
        here = arrivals.site == codes.index(change.site)
        sooner[here] = change.sooner
        since[here] = (change.start - _EPOCH).days - arrivals.day[here]
    return replace(profile, sooner=sooner, sooner_from=np.asarray(since, dtype=np.int64))
