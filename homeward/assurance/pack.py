"""The assurance pack: every document from one bundle, as plain data and as pages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from feature_store.vocabulary import INTENDED_PURPOSE
from homeward.assurance.hazards import hazards, unproven
from homeward.assurance.items import Item, items_of
from homeward.assurance.pages import dpia_page, hazards_page, index_page, items_page
from homeward.assurance.register import assessment
from homeward.assurance.trace import check, known, named
from homeward.assurance.tripod import checklist
from models.bundle import Bundle
from models.card_page import card_page

TITLES: Final = {
    "hazards": "Hazard log",
    "tripod": "TRIPOD+AI checklist",
    "transparency": "Algorithmic transparency record",
    "dpia": "Data protection: flows, stores, fields",
    "dtac": "DTAC evidence index",
    "card": "Model card",
}
"""Document to title, in the order of the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a pack is about.

    Parameters
    ----------
    bundle : Bundle
    version : str or None
        Registered version; None for a folder that is none.
    gates : str or None
        How its gates ended when it was promoted; None if it never was.
    card : mapping
        Of the bundle, with what the registry adds.
    software : str
        Version of Homeward that wrote the pack.
    at : str
        When, ISO 8601.
    """

    bundle: Bundle
    version: str | None
    gates: str | None
    card: Mapping[str, Any]
    software: str
    at: str


def make_pack(subject: Subject, results: Mapping[str, str] | None) -> dict[str, Any]:
    """Every document, as plain data.

    Parameters
    ----------
    subject : Subject
    results : mapping of str to str, optional
        Test to outcome, of :func:`homeward.assurance.trace.results_of`.

    Raises
    ------
    BadInput
        A control or an answer names a test that does not exist.
    """
    check(named(), known())
    log = [hazard.to_json(results) for hazard in hazards()]
    documents: dict[str, Any] = {
        "hazards": {"hazards": log},
        "tripod": _items(checklist(subject.bundle, subject.card)),
        "transparency": _items(items_of("transparency", subject.card, results)),
        "dpia": assessment(subject.bundle),
        "dtac": _items(items_of("dtac", subject.card, results)),
        "card": dict(subject.card),
    }
    bundle = subject.bundle
    return {
        "model": {
            "name": bundle.name,
            "version": subject.version,
            "gates": subject.gates,
            "checksum": bundle.checksum,
            "feature_set_hash": bundle.model.feature_set.hash,
        },
        "software": subject.software,
        "at": subject.at,
        "synthetic": bool(bundle.provenance["synthetic"]),
        "intended_purpose": INTENDED_PURPOSE,
        "tests": "given" if results is not None else "not given",
        "unproven": unproven(log),
        "states": {name: _states(name, document) for name, document in documents.items()},
        "documents": documents,
    }


def _items(items: list[Item]) -> dict[str, Any]:
    return {"items": [item.to_json() for item in items]}


def _states(name: str, document: Mapping[str, Any]) -> dict[str, int]:
    """How many parts of a document are in each state."""
    if name == "card":
        return {}
    if name == "hazards":
        states = [c["state"] for one in document["hazards"] for c in one["controls"]]
    else:
        states = [one["state"] for one in document["items"]]
    return dict(Counter(states))


def write_pack(pack: Mapping[str, Any], folder: Path) -> None:
    """Write ``index`` and each document, as HTML and JSON, into an empty folder."""
    documents = pack["documents"]
    pages = {
        "hazards": hazards_page(pack, TITLES["hazards"]),
        "dpia": dpia_page(pack, TITLES["dpia"]),
        "card": card_page(documents["card"]),
    }
    for name in ("tripod", "transparency", "dtac"):
        pages[name] = items_page(pack, name, TITLES[name])
    for name, title in TITLES.items():
        (folder / f"{name}.html").write_text(pages[name], encoding="utf-8")
        told = {"title": title, "model": pack["model"], "at": pack["at"], **documents[name]}
        _write_json(folder / f"{name}.json", told)
    (folder / "index.html").write_text(index_page(pack, TITLES), encoding="utf-8")
    _write_json(folder / "index.json", {k: v for k, v in pack.items() if k != "documents"})


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
