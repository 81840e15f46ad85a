"""The model card: generated from what was measured, never filled in by hand.

Headings are those of NHS England's model-card template; what TRIPOD+AI asks for is listed with the
section that answers it. A required section that stays empty is an error, not "more information
needed".

References
----------
NHS England, model-card template; Collins et al. 2024, BMJ 385:e078378 (TRIPOD+AI).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.vocabulary import INTENDED_PURPOSE
from models.card_findings import SYNTHETIC, Lines, caveats, ethics, leaks, performance
from models.scope import ScopeRules
from models.tripod import TRIPOD_AI

HEADINGS: Final = (
    "Specification",
    "Intended use",
    "Data",
    "Methodology and training",
    "Evaluation and performance",
    "Ethical considerations",
    "Caveats",
)

LOG_ODDS: Final = (
    "log_odds is the model's log-odds of staying past a night, before calibration, averaged over "
    "the "
    "nights from now to the next long-stay horizon (7, 14 or 21 midnights). base_value plus all "
    "effects is exactly that number; a positive effect lengthens the stay. Effects are "
    "associations "
    "in past data, not causes."
)


def make_card(
    *,
    name: str,
    feature_set: FeatureSet,
    scope: ScopeRules,
    evaluation: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Card of a model, as plain JSON data.

    Parameters
    ----------
    name : str
        Registered name.
    feature_set : FeatureSet
    scope : ScopeRules
    evaluation : mapping
        From :func:`training.evaluate.evaluate`.
    provenance : mapping
        From :func:`training.provenance.provenance_of`.

    Raises
    ------
    BadInput
        A required section would be empty.
    """
    sections: dict[str, Lines] = {
        "Specification": _specification(name, provenance),
        "Intended use": _use(scope),
        "Data": _data(provenance, feature_set),
        "Methodology and training": _method(provenance),
        "Evaluation and performance": performance(evaluation),
        "Ethical considerations": ethics(evaluation, feature_set),
        "Caveats": caveats(evaluation, provenance),
    }
    card = {
        "title": f"Model card: {name}",
        "name": name,
        "synthetic": bool(provenance["synthetic"]),
        "too_small": provenance.get("too_small", ""),
        "intended_purpose": INTENDED_PURPOSE,
        "log_odds": LOG_ODDS,
        "scope": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(scope).items()
        },
        "sections": [
            {"heading": heading, "items": [{"name": item, "text": text} for item, text in lines]}
            for heading, lines in sections.items()
        ],
        "tripod_ai": [
            {"item": item, "about": about, "where": where} for item, about, where in TRIPOD_AI
        ],
    }
    check_card(card)
    return card


def check_card(card: Mapping[str, Any]) -> None:
    """Every required section is there and says something.

    Raises
    ------
    BadInput
        Naming the sections that are missing or empty.
    """
    full = {
        section["heading"]
        for section in card.get("sections", ())
        if section["items"] and all(item["text"].strip() for item in section["items"])
    }
    empty = [heading for heading in HEADINGS if heading not in full]
    if empty:
        msg = f"model card: every section filled expected, found empty: {', '.join(empty)}"
        raise BadInput(msg)


def overridden(card: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """The card with who promoted the model in spite of a gate, and why; as it is if nobody did.

    Parameters
    ----------
    card : mapping
    tags : mapping of str to str
        Of the registered version.
    """
    if "homeward.override_by" not in tags:
        return dict(card)
    item = {
        "name": "Promoted in spite of a gate",
        "text": f"by {tags['homeward.override_by']}: {tags['homeward.override_reason']} "
        f"(gates: {tags['homeward.override_gates']})",
    }
    sections = [
        {**section, "items": [item, *section["items"]]}
        if section["heading"] == "Caveats"
        else section
        for section in card["sections"]
    ]
    return {**card, "sections": sections}


def _specification(name: str, provenance: Mapping[str, Any]) -> Lines:
    return [
        ("Name", name),
        (
            "What it gives",
            (
                "For one spell at one moment: calibrated chances that the length of stay reaches "
                "7, 14 and "
                "21 midnights, a range for the discharge day, the chance of death in hospital, "
                "reasons, "
                "and what was missing."
            ),
        ),
        ("Log-odds and effects", LOG_ODDS),
        ("Software", ", ".join(f"{key} {value}" for key, value in provenance["versions"].items())),
        ("Code version", str(provenance["code"])),
        ("Licence of the code", "MIT"),
        ("Responsible", "the organisation that trained and deployed it; Homeward names no other"),
    ]


def _use(scope: ScopeRules) -> Lines:
    return [
        ("Intended purpose", INTENDED_PURPOSE),
        (
            "Users",
            (
                "discharge hub staff, ward teams at board rounds, site managers; through the hub's "
                "own tools"
            ),
        ),
        (
            "In scope",
            f"inpatients of {scope.least_age_years} years and over, ordinary admissions, "
            f"admission methods " + ", ".join(scope.methods),
        ),
        (
            "Out of scope",
            "under that age, maternity and birth, day cases"
            + ("" if scope.mental_health else ", mental-health specialties")
            + ": refused with a reason, never scored. Facts not recorded do not refuse.",
        ),
        (
            "Not for",
            (
                "deciding admission, treatment, discharge or entitlement to care; detecting "
                "deterioration; "
                "judging staff; any use without a person who can disagree."
            ),
        ),
    ]


def _data(provenance: Mapping[str, Any], feature_set: FeatureSet) -> Lines:
    kind = (
        SYNTHETIC
        if provenance["synthetic"]
        else "Records of real patients, pseudonymised before they came here."
    )
    period, spells = provenance["period"], provenance["spells"]
    dropped = (
        ", ".join(f"{count} {why}" for why, count in provenance["dropped"].items() if count)
        or "none"
    )
    refused = ", ".join(f"{count} {why}" for why, count in provenance["refused"].items()) or "none"
    return [
        ("Source", f"{provenance['source']}. {kind}"),
        ("Content hash", provenance["data_hash"] or "not known"),
        ("Period", "; ".join(f"{name} {moment}" for name, moment in period.items())),
        ("Spells", ", ".join(f"{name} {count}" for name, count in spells.items())),
        ("Spells dropped by the split", dropped),
        ("Snapshots out of scope", refused),
        (
            "Outcome",
            (
                "length of stay in midnights (Europe/London) from admission to the end of the "
                "hospital provider "
                "spell; long stay is >= 7, 14 or 21. Still in hospital at the end of the data is "
                "censored; death "
                "in hospital is an outcome of its own, not a short stay."
            ),
        ),
        (
            "Features",
            (
                f"{len(feature_set)} features of "
                f"{len({code for f in feature_set.features for code in f.codes})} codes, "
                "each read from what was recorded up to the prediction time. Missing stays missing."
            ),
        ),
        ("Suspected leaks", leaks(provenance)),
    ]


def _method(provenance: Mapping[str, Any]) -> Lines:
    config = provenance["config"]
    trees = ", ".join(f"{key} {value}" for key, value in config["lightgbm"].items())
    share = ", ".join(
        f"{days} midnights {share:.1%}" for days, share in provenance["prevalence"].items()
    )
    return [
        (
            "Model",
            (
                "discrete-time hazards of leaving hospital (gradient-boosted trees, LightGBM), "
                "death as a "
                "competing outcome, one model for all horizons; chances never rise from 7 to 14 "
                "to 21 midnights."
            ),
        ),
        ("Settings", f"{trees}; seed {config['seed']}; features {config['features']}"),
        (
            "Split",
            (
                "by time and by patient: earliest admissions train, later ones calibrate, the "
                "latest are held out; "
                "no patient is on two sides; training outcomes are censored where the training "
                "period ends."
            ),
        ),
        (
            "Calibration",
            f"per segment of the stay, on the later calibration spells; share there: {share}",
        ),
        ("Class imbalance", "nothing is resampled or reweighted by outcome"),
        ("Held-out site", config["split"]["hold_out_site"] or "none"),
        ("Recalibrated", _recalibrated(provenance.get("parent"))),
        ("Feature-set hash", provenance["features_hash"]),
    ]


def _recalibrated(parent: Mapping[str, Any] | None) -> str:
    if parent is None:
        return "no: trees and calibration were learnt from the same source"
    return (
        f"yes: the trees are those of {parent['name']} version {parent['version']}, grown on "
        f"{parent['source']}; only the calibration was learnt on the training and calibration "
        "spells named here"
    )
