"""Rows of the list, each made once: a list is shown often, and few of its rows change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from service.pages import view
from service.pages.render import part
from service.record.feedback import MEANINGS, Verdict

MOST_KEPT: Final = 2048
"""A large trust, or a list before and after a change; with its key a row takes some 8 KB."""

_VERDICTS: Final[Mapping[str, str]] = {code: MEANINGS[code] for code in Verdict}


def row(entry: Mapping[str, Any], *, may_feed_back: bool) -> Mapping[str, Any]:
    """One inpatient: what :func:`service.pages.view.row` tells, and its ``html``.

    Parameters
    ----------
    entry : mapping
        One of ``entries`` of ``GET /v1/worklist``.
    may_feed_back : bool
        Whether whoever looks may say something of it.
    """
    return _row(msgspec.json.encode(entry), may_feed_back)


@lru_cache(maxsize=MOST_KEPT)
def _row(entry: bytes, may_feed_back: bool) -> Mapping[str, Any]:  # noqa: FBT001 - a key
    told = view.row(msgspec.json.decode(entry))
    return {**told, "html": part("patient_row", told, _VERDICTS, may_feed_back)}
