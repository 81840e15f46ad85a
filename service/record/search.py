"""Scores by whom they are about and when they were given, a page at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.record.schema import SCORES

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which scores that were answered, never the shadow's and no refusal.

    Parameters
    ----------
    spells, subjects : collection of int or None
        Pseudonyms; None: any.
    sites : collection of str or None
        None: any, and scores of patients whose site was not known.
    since, until : int or None
        Answered from the first up to, and without, the second; UTC microseconds.
    newest_first : bool
    skip, most : int
        The page.
    """

    spells: Collection[int] | None = None
    subjects: Collection[int] | None = None
    sites: Collection[str] | None = None
    since: int | None = None
    until: int | None = None
    newest_first: bool = False
    skip: int = 0
    most: int = 50

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for the database."""
        found = [SCORES.c.mode == "live", SCORES.c.score_id.is_not(None)]
        for column, wanted in (
            (SCORES.c.spell, self.spells),
            (SCORES.c.subject, self.subjects),
            (SCORES.c.site, self.sites),
        ):
            if wanted is not None:
                found.append(column.in_(list(wanted)))
        if self.since is not None:
            found.append(SCORES.c.answered_at >= self.since)
        if self.until is not None:
            found.append(SCORES.c.answered_at < self.until)
        return found
