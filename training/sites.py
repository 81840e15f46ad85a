"""Leave one site out: how a model does where it did not grow up.

For each site a model is grown and calibrated on the others, with the settings of the model that is
asked about, and judged on the site's later spells, beside the frozen model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from feature_store.dataset import Dataset
from feature_store.errors import BadInput, HomewardError
from models.bundle import Bundle
from models.judging import judge
from models.stay import StayModel
from models.survival import Prediction
from training.config import TrainingConfig
from training.evaluate import LEAST_PATIENTS
from training.material import Material, gather
from training.preparation import prepare
from training.recalibration import settings_of
from training.recipe import fit_model
from training.split import NO_SITE, Part
from training.survey import survey

SHOWN: Final = ("auroc", "calibration_slope", "calibration_intercept")
"""Metrics of the table."""

Report = Callable[[str], None]


def leave_each_site_out(bundle: Bundle, dataset: Dataset, report: Report) -> dict[str, Any]:
    """Judge a refit without each site, and the frozen model, on that site's later spells.

    Parameters
    ----------
    bundle : Bundle
        Its settings are used; it must not have seen the later spells of the dataset
        (:func:`training.provenance.learnt_from`).
    dataset : Dataset
    report : callable

    Returns
    -------
    dict
        By site: ``left_out`` with a reason, or by horizon ``rows``, ``frozen`` and ``refitted``.

    Raises
    ------
    BadInput
        Fewer than two sites.
    """
    config = settings_of(bundle)
    sites = sorted(set(survey(dataset, config.scope).site.tolist()) - {NO_SITE})
    if len(sites) < 2:  # noqa: PLR2004 - one to leave out, one to learn from
        msg = f"--leave-one-site-out: two sites or more expected, found {len(sites)}"
        raise BadInput(msg)
    told = {}
    for site in sites:
        report(f"without site {site}")
        try:
            told[site] = _one(bundle, dataset, config, site, report)
        except HomewardError as error:
            told[site] = {"left_out": str(error)}
    return told


def _one(
    bundle: Bundle, dataset: Dataset, config: TrainingConfig, site: str, report: Report
) -> dict[str, Any]:
    held = replace(config, split=replace(config.split, hold_out_site=site))
    prepared = prepare(dataset, held, report)
    test = prepared.materials[Part.TEST]
    frozen = gather(prepared.found, prepared.split, bundle.model.feature_set, parts=(Part.TEST,))
    predictions = {
        "frozen": _predict(bundle.model, frozen[Part.TEST]),
        "refitted": _predict(fit_model(prepared, held, report), test),
    }
    return {
        "horizons": {
            str(days): _judged(test, predictions, config, days)
            for days in bundle.model.grid.horizons
            if _enough(test, days)
        }
    }


def _predict(model: StayModel, material: Material) -> Prediction:
    return model.predict(material.matrix, material.days_so_far)


def _enough(material: Material, days: int) -> bool:
    target, subject = material.target(days), material.snapshots.subject_id
    return all(np.unique(subject[target == side]).size >= LEAST_PATIENTS for side in (0.0, 1.0))


def _judged(
    material: Material, predictions: Mapping[str, Prediction], config: TrainingConfig, days: int
) -> dict[str, Any]:
    target = material.target(days)
    told: dict[str, Any] = {"rows": int((~np.isnan(target)).sum())}
    for name, prediction in predictions.items():
        if days in prediction.grid.horizons:
            judged = judge(
                target,
                prediction.at_least(days),
                material.snapshots.subject_id,
                metrics=SHOWN,
                bootstrap=config.bootstrap,
            )
            told[name] = {metric: figure.to_json() for metric, figure in judged.items()}
    return told
