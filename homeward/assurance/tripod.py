"""The TRIPOD+AI checklist of one model: each item with what its card says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeward.assurance.items import Item, State, cited, quoted
from models.bundle import Bundle
from models.tripod import NOT_APPLICABLE, SITE, TRIPOD_AI


def checklist(bundle: Bundle, card: Mapping[str, Any]) -> list[Item]:
    """Items in order.

    Parameters
    ----------
    bundle : Bundle
    card : mapping
        Of the bundle, with what the registry adds.
    """
    return [_item(bundle, card, ref, (asks, where)) for ref, asks, where in TRIPOD_AI]


def _item(bundle: Bundle, card: Mapping[str, Any], ref: str, row: tuple[str, str]) -> Item:
    asks, where = row
    if where == SITE:
        return Item(ref=ref, asks=asks, state=State.ORGANISATION, asked=f"Report: {asks}.")
    if where.startswith(NOT_APPLICABLE):
        why = where.partition(": ")[2]
        return Item(ref=ref, asks=asks, state=State.NOT_APPLICABLE, answers=(why,))
    if where == "title":
        title = str(card["title"])
        return Item(ref=ref, asks=asks, state=State.EVIDENCED, answers=(title,))
    places = where.split("; ")
    of_card = [place for place in places if ".json" not in place and ".txt" not in place]
    told = [list(quoted(card, place)) for place in of_card]
    of_bundle = [place for place in places if place not in of_card]
    whole = all(told) and all(_holds(bundle, place) for place in of_bundle)
    return Item(
        ref=ref,
        asks=asks,
        state=State.EVIDENCED if whole else State.MISSING,
        answers=tuple(line for lines in told for line in lines),
        evidence=(*cited(of_card), *(f"bundle: {place}" for place in of_bundle)),
    )


def _holds(bundle: Bundle, place: str) -> bool:
    """Whether a file of the bundle says it; files of the model are always there."""
    name, _, key = place.partition(": ")
    return name != "evaluation.json" or bool(bundle.evaluation.get(key))
