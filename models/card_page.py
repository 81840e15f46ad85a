"""The model card as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.card import check_card
from models.card_findings import warnings_of
from models.page import definitions, heading, page, table, warning


def card_page(card: Mapping[str, Any]) -> str:
    """Self-contained HTML of a card.

    Raises
    ------
    BadInput
        A required section is empty.
    """
    check_card(card)
    sections = [
        heading(section["heading"])
        + definitions((item["name"], item["text"]) for item in section["items"])
        for section in card["sections"]
    ]
    tripod = table(
        ("Item", "Asks for", "Answered"),
        ((row["item"], row["about"], row["where"]) for row in card["tripod_ai"]),
    )
    told = map(warning, warnings_of(card))
    return page(card["title"], *told, *sections, heading("TRIPOD+AI"), tripod)
