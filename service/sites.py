"""That a caller who may see some sites only gets no score of others."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Final

import numpy as np

from models.forecast import Refusal

if TYPE_CHECKING:
    from service.translate import Question

OTHER_SITE: Final = Refusal(
    "other_site", "the last SITE of this spell is not one that these credentials cover"
)


def within_sites(question: Question, sites: frozenset[str]) -> Question:
    """Refuse the spells of a question whose last known site is not among these, or not known.

    Parameters
    ----------
    question : Question
    sites : frozenset of str
    """
    kept = [site in sites for site, _ in question.places]
    asked = list(compress(question.asked, kept))
    others = dict.fromkeys(set(question.asked).difference(asked), OTHER_SITE)
    return replace(
        question,
        snapshots=question.snapshots.take(np.array(kept, np.bool_)),
        asked=asked,
        places=list(compress(question.places, kept)),
        refused=question.refused | others,
    )
