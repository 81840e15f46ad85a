"""One spell of the live store: scored, refused, or not known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from feature_store.live.census import Present
from feature_store.live.database import reading
from feature_store.live.spell_index import Inpatient, read_marks
from feature_store.vocabulary import SPELL_END
from models.forecast import Refusal
from service import wire
from service.hub.live import Live
from service.hub.present import is_stale, newest_by_site
from service.hub.scoring import Asking, Scored, refused_row, score_present
from service.problems import Problem
from service.translate import DISCHARGED, NOT_ADMITTED, OTHER_SITE


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutSpell:
    """Which spell, when.

    Parameters
    ----------
    name : str
    spell : int
        Its pseudonym.
    at : int
        UTC microseconds.
    newest : mapping of site to int, optional
        When sites were last heard of, as far as it is known already.
    """

    name: str
    spell: int
    at: int
    newest: Mapping[str | None, int] | None = None


def score_spell(live: Live, asking: Asking, about: AboutSpell) -> Scored:
    """Score a spell as it was known at a moment; blocks.

    Raises
    ------
    Problem
        404: nothing was ever said of such a spell.
    StoreUnavailable
    """
    present = live.census.question(about.at, spell=about.spell)
    if not present.inpatients:
        return _absent(live, asking, about)
    one = present.inpatients[0]
    sites = asking.asker.sites
    if sites is not None and one.site not in sites:
        return _refused(asking, about, one, OTHER_SITE)
    newest = _newest(live, asking, about, present)
    return score_present(replace(asking, newest=newest), present, {about.spell: about.name})


def _newest(
    live: Live, asking: Asking, about: AboutSpell, present: Present
) -> Mapping[str | None, int]:
    """When the site was last heard of: from the patient, from memory, else from all of them."""
    site, hours = present.inpatients[0].site, asking.limits.stale_hours
    own = newest_by_site(present.events, present.inpatients)
    for newest in (own, about.newest or {}):
        if not is_stale(newest, site, about.at, hours):
            return newest
    everybody = live.census.question(about.at)
    return newest_by_site(everybody.events, everybody.inpatients)


def _absent(live: Live, asking: Asking, about: AboutSpell) -> Scored:
    with reading(live.store.engine) as connection:
        marks = read_marks(connection, about.spell, at=about.at)
    if marks is None or asking.asker.sites is not None:
        raise Problem(404, "There is no such spell here.")
    one = Inpatient(about.spell, -1, 0, None, None)
    return _refused(asking, about, one, DISCHARGED if SPELL_END in marks else NOT_ADMITTED)


def _refused(asking: Asking, about: AboutSpell, one: Inpatient, refusal: Refusal) -> Scored:
    word = wire.RefusedSpell(about.name, refusal.reason, refusal.detail)
    subject = None if one.subject_id < 0 else one.subject_id
    row = refused_row(asking, one, refusal, about.at, subject=subject)
    return Scored([word], [row])
