"""From an event dataset to a registered model, readable from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from feature_store.dataset import Dataset
from models.bundle import Bundle
from models.card import make_card
from models.fitting import fit
from models.golden import make_golden
from models.judging.estimate import Float64
from models.recalibrate import learn_calibration
from models.registry import MODEL_NAME
from models.stay import StayModel
from models.trial import Ground
from training.baselines import Regression, Rule
from training.config import TrainingConfig
from training.evaluate import evaluate, figures_of
from training.firewall import leaks_told, refuse_leaks
from training.frailty import Frailty, gather_frailty
from training.held_out import held_out_rows
from training.last_model import LastModel, beside
from training.leaks import suspects_by_gain
from training.monitor.reference import reference_of
from training.preparation import Prepared, prepare
from training.provenance import provenance_of
from training.publish import Findings, publish_findings, publish_model
from training.run import Run
from training.split import Part
from training.survey import Engine
from training.tracking import Tracker
from training.tuning import Tuned, study_name, tune
from training.use import HeldOut

_STEPS_TOLD: Final = 10

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training run made.

    Parameters
    ----------
    run_id, version : str
    bundle : Bundle
    figures : mapping of str to float
        As logged.
    cost : mapping of str to float
        Time and memory (:mod:`training.cost`).
    """

    run_id: str
    version: str
    bundle: Bundle
    figures: Mapping[str, float]
    cost: Mapping[str, float]


def train(  # noqa: PLR0913 - by name, and each of another kind
    dataset: Dataset,
    config: TrainingConfig,
    *,
    tracker: Tracker,
    key: bytes,
    report: Report,
    last: LastModel | None = None,
    engine: Engine | None = None,
) -> Trained:
    """Fit, calibrate, judge, log and register a model.

    Parameters
    ----------
    dataset : Dataset
    config : TrainingConfig
    tracker : Tracker
    key : bytes
        The site's secret, for the numbers of held-out rows.
    report : callable
        Takes lines of progress.
    last : LastModel, optional
        The champion, to be judged beside the new model.
    engine : callable, optional
        What computes the features of many snapshots; this process by default. The model is the
        same.

    Raises
    ------
    BadInput, Refused
        The data cannot teach a model, or leak; the run is marked as failed, nothing registered.
    """
    with tracker.run(
        f"train {dataset.path.name}", kind="training", manifest=dataset.manifest
    ) as run:
        run.log_params(config.to_mapping())
        with run.cost.stage("prepare"):
            prepared = prepare(dataset, config, report, engine=engine)
        with run.cost.stage("tune"):
            tuned = _tuned(prepared, config, run, tracker.studies, report)
        if tuned is not None:
            config = replace(
                config, lightgbm=tuned.settings, tuning=replace(config.tuning, trials=0)
            )
        with run.cost.stage("fit"):
            model = fit_model(prepared, config, report)
        with run.cost.stage("judge"):
            bundle, chances = judge_model(prepared, model, config, report, last=last)
        if tuned is not None:
            bundle = replace(bundle, provenance={**bundle.provenance, "tuning": dict(tuned.notes)})
        report("logging the run and registering the version")
        with run.cost.stage("publish"):
            publish_findings(run, findings_of(prepared, bundle, chances, key))
            version = publish_model(run, bundle)
    return Trained(
        run_id=run.run_id,
        version=version,
        bundle=bundle,
        figures=figures_of(bundle.evaluation),
        cost=run.cost.figures(),
    )


def _tuned(
    prepared: Prepared, config: TrainingConfig, run: Run, store: Path, report: Report
) -> Tuned | None:
    """Best of the trials that were asked for; None if none were."""
    if not config.tuning.trials:
        return None
    material, features = prepared.materials[Part.TRAIN], prepared.feature_set
    ground = Ground.of(
        material.matrix,
        material.snapshots,
        material.outcomes,
        feature_set=features,
        settings=config.lightgbm,
    )
    data_hash = prepared.found.dataset.manifest.content_hash
    name = study_name(config, data_hash=data_hash, features_hash=features.hash)
    tuned = tune(ground, config, run=run, store=store, name=name, report=report)
    notes = tuned.notes
    best = ", ".join(f"{key} {value:.3g}" for key, value in notes["best"].items())
    report(f"keeping trial {notes['best_trial'] + 1} of {notes['trials']}: {best}")
    return tuned


def fit_model(prepared: Prepared, config: TrainingConfig, report: Report) -> StayModel:
    """Trees on the training spells, calibrated on later ones."""
    material = prepared.materials[Part.TRAIN]
    report(f"fitting on {len(material)} snapshots")
    told = 0

    def tick(done: int, total: int) -> None:
        nonlocal told
        if done * _STEPS_TOLD // total > told:
            told = done * _STEPS_TOLD // total
            report(f"fitting: {done} of {total} trees")

    model = fit(
        material.matrix,
        material.snapshots,
        material.outcomes,
        feature_set=prepared.feature_set,
        settings=config.lightgbm,
        progress=tick,
    )
    by_gain = suspects_by_gain(model.importance, model.feature_set, config.firewall)
    refuse_leaks(by_gain, model.feature_set, config.firewall)
    later = prepared.materials[Part.CALIBRATION]
    raw = model.predict_raw(later.matrix, later.days_so_far)
    calibration = learn_calibration(raw, later.outcomes)
    # A horizon that no calibration spell could be followed to has no share there: left out.
    seen = {days: share for days, share in calibration.prevalence.items() if not np.isnan(share)}
    return replace(model, calibration=replace(calibration, prevalence=seen))


def judge_model(
    prepared: Prepared,
    model: StayModel,
    config: TrainingConfig,
    report: Report,
    *,
    last: LastModel | None = None,
) -> tuple[Bundle, dict[int, dict[str, Float64]]]:
    """Judge beside the baselines; the bundle, and by horizon the chances each gave."""
    report("fitting the baselines")
    held_out = HeldOut(
        prepared.materials[Part.TEST],
        prepared.found.told,
        prepared.found.dataset.manifest.clock,
        config.judging,
        config.seed,
    )
    baselines, told = _baselines(prepared, model, config), {}
    if last is not None:
        chances_of_last, why = beside(last, prepared, config)
        baselines |= {"champion": chances_of_last} if chances_of_last else {}
        told = {"last_model": {"version": last.version, "left_out": why}}
        report(f"the last model, version {last.version}" + (f", left out: {why}" if why else ""))
    report(f"judging on {len(held_out.material)} held-out snapshots")
    prediction = model.predict(held_out.material.matrix, held_out.material.days_so_far)
    evaluation = evaluate(held_out, prediction, baselines)
    golden = make_golden(model, prepared.materials[Part.TRAIN].matrix, seed=config.seed)
    scored = {days: prediction.at_least(days) for days in model.grid.horizons}
    reference = reference_of(held_out.material, prepared.feature_set, scored)
    kept = {**evaluation, **told, "golden": golden, "reference": reference.to_json()}
    bundle = _bundle(prepared, model, config, evaluation=kept)
    chances = {
        days: {
            "model": prediction.at_least(days),
            **{name: each[days] for name, each in baselines.items() if days in each},
        }
        for days in map(int, evaluation["horizons"])
    }
    return bundle, chances


def _baselines(
    prepared: Prepared, model: StayModel, config: TrainingConfig
) -> dict[str, dict[int, Float64]]:
    train_, test = prepared.materials[Part.TRAIN], prepared.materials[Part.TEST]
    told, horizons = prepared.found.told, model.grid.horizons
    regression = Regression.fit(
        train_,
        prepared.materials[Part.CALIBRATION],
        horizons,
        feature_set=prepared.feature_set,
        most_rows=config.judging.baseline_rows,
        seed=config.seed,
    )
    rules = {days: Rule.fit(train_, days, told=told) for days in horizons}
    baselines = {
        "lr": regression.predict(test),
        "rule": {days: rule.predict(test, days, told=told) for days, rule in rules.items()},
    }
    points = gather_frailty(prepared.found, prepared.split, Part.TRAIN, Part.TEST)
    if points is not None:
        frailty = Frailty.fit(train_, points[0], horizons)
        baselines["hfrs"] = frailty.predict(test, points[1])
    return baselines


def _bundle(
    prepared: Prepared, model: StayModel, config: TrainingConfig, *, evaluation: dict[str, Any]
) -> Bundle:
    by_gain = suspects_by_gain(model.importance, model.feature_set, config.firewall)
    provenance = provenance_of(
        prepared.found, prepared.split, prepared.materials, model=model, config=config
    )
    provenance["leaks"] = leaks_told((*prepared.suspects, *by_gain), config.firewall)
    card = make_card(
        name=MODEL_NAME,
        feature_set=model.feature_set,
        scope=config.scope,
        evaluation=evaluation,
        provenance=provenance,
    )
    return Bundle(
        model=model,
        scope=config.scope,
        name=MODEL_NAME,
        card=card,
        evaluation=evaluation,
        provenance=provenance,
    )


def findings_of(
    prepared: Prepared, bundle: Bundle, chances: dict[int, dict[str, Float64]], key: bytes
) -> Findings:
    """What is logged of a judged bundle."""
    test = prepared.materials[Part.TEST]
    target = {days: test.target(days) for days in chances}
    own = {days: by_name["model"] for days, by_name in chances.items()}
    return Findings(
        bundle=bundle,
        evaluation=bundle.evaluation,
        rows=held_out_rows(test.snapshots, own, target, key=key),
        chances=chances,
        target=target,
    )
