"""Pages of an assurance pack, for a safety officer, an information governance lead, the public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeward.assurance.items import State
from models.card_findings import SYNTHETIC
from models.page import (
    Markup,
    bullets,
    definitions,
    heading,
    lines,
    link,
    page,
    paragraph,
    subheading,
    table,
    warning,
)

NO_RESULTS: Final = (
    "No results of a test run were given: controls are traced to tests that exist, and whether "
    "they passed for this release is not shown. Give them with --test-results FILE."
)


def index_page(pack: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """What is there, how far it is evidenced, and what is left to the organisation."""
    model = pack["model"]
    return page(
        f"Assurance pack: {model['name']}",
        *_head(pack),
        paragraph(pack["intended_purpose"]),
        definitions(
            [
                ("Model", f"{model['name']}, version {model['version'] or 'not registered'}"),
                ("Gates of promotion", model["gates"] or "never asked for this version"),
                ("Checksum of the bundle", model["checksum"] or "not read from disk"),
                ("Software", f"Homeward {pack['software']}"),
                ("Written", pack["at"]),
            ]
        ),
        heading("Documents"),
        table(
            ("Document", "How far"),
            [
                (link(title, f"{name}.html"), lines(_counts(pack["states"][name])))
                for name, title in titles.items()
            ],
        ),
        heading("How to read it"),
        definitions(
            [
                (State.EVIDENCED.value, "answered here, with what shows it beside the answer"),
                (State.PARTLY.value, "the software's part is answered; the rest is named"),
                (State.ORGANISATION.value, "no software can answer it: yours to write"),
                (State.MISSING.value, "this model's card does not say: train it again or write it"),
            ]
        ),
        heading("What this is not"),
        bullets(
            (
                "a clinical safety case: a clinical safety officer writes and signs that",
                "a data protection or equality impact assessment: it is material for them",
                "advice on whether the software is a medical device",
                "a certificate of anything: nobody outside has reviewed it",
            )
        ),
        paragraph(
            "Documents (docs/) and tests (tests/) named as evidence are those of the source of "
            "this version; files of the bundle are beside its card. Each page has its JSON beside "
            "it, under the same name."
        ),
    )


def _head(pack: Mapping[str, Any]) -> list[str]:
    parts = [warning(SYNTHETIC)] if pack["synthetic"] else []
    if pack["model"]["gates"] == "refused":
        parts.append(warning("This version was refused by the gates of promotion."))
    parts += [warning(f"Not proven: {one}.") for one in pack["unproven"]]
    return [*parts, *([] if pack["tests"] == "given" else [warning(NO_RESULTS)])]


def _counts(states: Mapping[str, int]) -> list[str]:
    return [f"{count} {state}" for state, count in states.items()] or ["of this model"]


def hazards_page(pack: Mapping[str, Any], title: str) -> str:
    """Each hazard with its controls and their tests."""
    parts = [
        *_head(pack),
        _back(),
        paragraph(
            "Severity is proposed by the makers. Likelihood, residual risk and acceptance are for "
            "a clinical safety officer of the manufacturer's and of the deploying organisation's "
            "choosing: none has rated them here."
        ),
    ]
    for one in pack["documents"]["hazards"]["hazards"]:
        parts.append(heading(f"{one['id']} {one['hazard']}"))
        parts.append(
            definitions(
                [
                    ("Causes", "; ".join(one["causes"])),
                    ("Possible harm", one["harm"]),
                    ("Severity, proposed", one["severity_proposed"]),
                    ("Residual risk", one["residual_risk"]),
                ]
            )
        )
        rows = [(c["control"], lines(map(_cited, c["tests"])), c["state"]) for c in one["controls"]]
        parts.append(table(("Control", "Shown by", "State"), rows))
    return page(title, *parts)


def items_page(pack: Mapping[str, Any], name: str, title: str) -> str:
    """A checklist: what is asked, what is said, what shows it."""
    rows = [
        (
            one["ref"],
            one["asks"],
            one["state"],
            lines(one["answers"]),
            _rest(one),
        )
        for one in pack["documents"][name]["items"]
    ]
    head = ("", "Asks for", "State", "Answer", "Shown by; still to write")
    return page(title, *_head(pack), _back(), table(head, rows))


def _rest(item: Mapping[str, Any]) -> Markup:
    told = [_cited(one) for one in item["evidence"]]
    asked = item["for_the_deploying_organisation"]
    return lines([*told, *([f"To write: {asked}"] if asked else [])])


def _cited(place: str) -> str:
    """Evidence as a link where it lies beside the page, else as its name."""
    if ".html" in place:
        return link(place, place)
    path, _, name = place.partition("::")
    return f"{name.removeprefix('test_').replace('_', ' ')} ({path})" if name else place


def dpia_page(pack: Mapping[str, Any], title: str) -> str:
    """Where data go, where they stay, and why each field is read."""
    told = pack["documents"]["dpia"]
    flows = [
        (one["from"], one["to"], one["what"], one["why"], one["protection"])
        for one in told["flows"]
    ]
    fields = [
        (
            lines([one["label"], f"({one['field']})"]),
            one["source"],
            lines(one["purposes"]),
            lines(one["features"] or ["not used by the model"]),
            "yes" if one["protected"] else "",
            one["kept_in"],
        )
        for one in told["fields"]
    ]
    heads = ("Field", "Source", "Why it is read", "Features", "Protected", "Kept in")
    return page(
        title,
        *_head(pack),
        _back(),
        paragraph("Material for a data protection impact assessment, not the assessment itself."),
        heading("Where data go"),
        table(("From", "To", "What", "Why", "Protection"), flows),
        heading("Where they stay, and for how long"),
        paragraph("Nothing is deleted by itself. What deletes, and when, is for your schedule."),
        table(("Store", "Kept"), [(one["name"], one["kept"]) for one in told["stores"]]),
        heading("Fields"),
        paragraph(
            f"{len(fields)} fields are read, from the definitions of this model and of the "
            "service. A field that is not listed is kept in the live store if it is sent, and read "
            "by nothing: do not send it."
        ),
        table(heads, fields),
        heading("For the deploying organisation"),
        subheading("Still to write"),
        definitions(
            [(one["asks"], one["for_the_deploying_organisation"]) for one in told["items"]]
        ),
    )


def _back() -> str:
    return f"<p>{link('Assurance pack', 'index.html')}</p>"
