"""Fit a model to a new site without growing a tree: only its calibration is learnt there.

Frozen, recalibrated and refitted are judged side by side on the same later spells of the site, so
that a site can see what each step buys it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from feature_store.dataset import Dataset
from feature_store.errors import BadInput, HomewardError
from feature_store.outcome import Outcomes
from models.bundle import Bundle
from models.card import make_card
from models.judging import difference, judge
from models.judging.estimate import Estimate
from models.local_copy import Registered
from models.recalibrate import learn_calibration
from models.registry import MODEL_NAME
from models.stay import StayModel
from models.survival import Prediction
from training.config import TrainingConfig
from training.material import gather
from training.preparation import Prepared, prepare
from training.provenance import learnt_from
from training.publish import publish_findings, publish_model
from training.recipe import findings_of, fit_model, judge_model
from training.split import DROPPED, Part, Split, split_spells
from training.survey import Survey, survey
from training.tracking import Tracker

SHOWN: Final = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece")
"""Metrics of the table."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibrated:
    """A run of ``homeward recalibrate``.

    Parameters
    ----------
    run_id, version : str
    bundle : Bundle
    table : mapping
        By horizon: ``frozen``, ``recalibrated``, ``refitted`` (or why not), and ``gain``,
        recalibrated minus frozen, paired.
    """

    run_id: str
    version: str
    bundle: Bundle
    table: Mapping[str, Any]


def recalibrate(
    told: Registered,
    bundle: Bundle,
    dataset: Dataset,
    *,
    tracker: Tracker,
    key: bytes,
    report: Report,
) -> Recalibrated:
    """Learn a model's calibration on a dataset, judge, log and register it as a new version.

    The earliest spells (training and calibration shares of the model's own settings) teach; the
    latest judge, by patient as ever.

    Parameters
    ----------
    told : Registered
        What the registry calls the model.
    bundle : Bundle
    dataset : Dataset
    tracker : Tracker
    key : bytes
        The site's secret, for the numbers of held-out rows.
    report : callable

    Raises
    ------
    BadInput
        The model learnt from these spells, or there are too few.
    """
    name = f"recalibrate {told.name} {told.version} on {dataset.path.name}"
    with tracker.run(name, kind="recalibration", manifest=dataset.manifest) as run:
        run.set_tags({"homeward.parent_model": told.name, "homeward.parent_version": told.version})
        config = settings_of(bundle)
        prepared = _prepare(bundle, dataset, config, report)
        report("learning the calibration")
        model = _calibrated(bundle.model, prepared)
        made, chances = judge_model(prepared, model, config, report)
        table = _table(bundle.model, model, prepared, config, report)
        made = _noted(made, bundle, told, table)
        report("logging the run and registering the version")
        publish_findings(run, findings_of(prepared, made, chances, key))
        version = publish_model(run, made, {"homeward.parent_version": told.version})
    return Recalibrated(run_id=run.run_id, version=version, bundle=made, table=table)


def settings_of(bundle: Bundle) -> TrainingConfig:
    """Settings a model was made with, no site held out."""
    config = TrainingConfig.from_mapping(
        bundle.provenance["config"], name="configuration of the bundle"
    )
    return replace(config, split=replace(config.split, hold_out_site=""))


def _prepare(bundle: Bundle, dataset: Dataset, config: TrainingConfig, report: Report) -> Prepared:
    report("reading spells")
    found = survey(dataset, bundle.scope)
    split = _split(bundle, found, config)
    materials = gather(found, split, bundle.model.feature_set)
    return Prepared(found, split, bundle.model.feature_set, materials)


def _split(bundle: Bundle, found: Survey, config: TrainingConfig) -> Split:
    """Spells that the model has not learnt from, in parts."""
    manifest = found.dataset.manifest
    learnt = learnt_from(bundle.provenance, manifest)
    if learnt is not None and learnt.everything:
        msg = (
            f"{found.dataset.path.name}: data that the model did not learn from expected, found "
            "those it was made of; homeward train refits it, homeward evaluate judges it on them"
        )
        raise BadInput(msg)
    new = found.spells.start >= (learnt.until if learnt else np.iinfo(np.int64).min)
    part = split_spells(
        found.spells.take(new),
        config.split,
        clock=manifest.clock,
        until=found.until,
        site=found.site[new],
    )
    placed = np.full(new.size, DROPPED, np.int64)
    placed[new] = part.part
    early = {"that the model learnt from": int((~new).sum())}
    return Split(found.spells.spell_id, placed, part.until, {**early, **part.dropped})


def _calibrated(model: StayModel, prepared: Prepared) -> StayModel:
    """The same trees, calibrated on everything before the held-out spells."""
    raws, outcomes = [], []
    for part in (Part.TRAIN, Part.CALIBRATION):
        material = prepared.materials[part]
        raws.append(model.predict_raw(material.matrix, material.days_so_far))
        outcomes.append(material.outcomes)
    first, second = raws
    raw = Prediction(
        first.grid,
        np.concatenate([first.days_so_far, second.days_so_far]),
        np.concatenate([first.staying, second.staying]),
        np.concatenate([first.died, second.died]),
    )
    learnt = learn_calibration(
        raw,
        Outcomes(
            *(
                np.concatenate([getattr(one, name) for one in outcomes])
                for name in ("length_of_stay_days", "died", "follow_up_days")
            )
        ),
    )
    seen = {days: share for days, share in learnt.prevalence.items() if not np.isnan(share)}
    return replace(model, calibration=replace(learnt, prevalence=seen))


def _table(
    frozen: StayModel,
    recalibrated: StayModel,
    prepared: Prepared,
    config: TrainingConfig,
    report: Report,
) -> dict[str, Any]:
    """Frozen, recalibrated and refitted on the same held-out snapshots."""
    test = prepared.materials[Part.TEST]
    predictions = {
        "frozen": frozen.predict(test.matrix, test.days_so_far),
        "recalibrated": recalibrated.predict(test.matrix, test.days_so_far),
    }
    why = ""
    try:
        predictions["refitted"] = _refitted(prepared, config, report)
    except HomewardError as error:
        why = str(error)
    horizons = [days for days in frozen.grid.horizons if np.nansum(test.target(days)) > 0]
    told = {str(days): _judged(prepared, predictions, config, days) for days in horizons}
    return {"rows": len(test), "horizons": told, "not_refitted": why}


def _refitted(prepared: Prepared, config: TrainingConfig, report: Report) -> Prediction:
    """A model grown on the site alone, with features of its own."""
    report("refitting, to compare")
    own = prepare(prepared.found.dataset, config, report, parted=(prepared.found, prepared.split))
    test = own.materials[Part.TEST]
    return fit_model(own, config, report).predict(test.matrix, test.days_so_far)


def _judged(
    prepared: Prepared, predictions: Mapping[str, Prediction], config: TrainingConfig, days: int
) -> dict[str, Any]:
    test = prepared.materials[Part.TEST]
    bootstrap = config.bootstrap
    judged = {
        name: judge(
            test.target(days),
            prediction.at_least(days),
            test.snapshots.subject_id,
            metrics=SHOWN,
            bootstrap=bootstrap,
        )
        for name, prediction in predictions.items()
        if days in prediction.grid.horizons
    }
    gain = {
        name: difference(judged["recalibrated"][name], judged["frozen"][name]) for name in SHOWN
    }
    return {name: _told(figures) for name, figures in {**judged, "gain": gain}.items()}


def _told(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: figure.to_json() for name, figure in figures.items()}


def _noted(made: Bundle, parent: Bundle, told: Registered, table: Mapping[str, Any]) -> Bundle:
    """With parent and table in its papers."""
    kept = ("data_hash", "source", "until", "clock", "code", "spells", "period", "synthetic")
    small = (papers.get("too_small", "") for papers in (parent.provenance, made.provenance))
    provenance = {
        **made.provenance,
        "parent": {
            "name": told.name,
            "version": told.version,
            **{key: parent.provenance[key] for key in kept},
            "parent": parent.provenance.get("parent"),
        },
    }
    # Trees that grew on made-up patients stay made-up, wherever they were calibrated.
    # Trees grown on too few stay so too.
    provenance["too_small"] = next(filter(None, small), "")
    provenance["synthetic"] = made.provenance["synthetic"] or parent.provenance["synthetic"]
    evaluation = {**made.evaluation, "recalibration": dict(table)}
    card = make_card(
        name=MODEL_NAME,
        feature_set=made.model.feature_set,
        scope=made.scope,
        evaluation=evaluation,
        provenance=provenance,
    )
    return replace(made, card=card, evaluation=evaluation, provenance=provenance)
