"""Judge a frozen model on data it never saw (``homeward evaluate``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feature_store.clock import to_moment
from feature_store.dataset import Dataset
from feature_store.errors import BadInput
from models.bundle import Bundle, load_bundle
from models.local_copy import Registered
from training.config import TrainingConfig
from training.evaluate import evaluate
from training.held_out import held_out_rows
from training.material import gather
from training.provenance import learnt_from
from training.publish import Findings, publish_findings
from training.split import Part, Split, everything, split_spells
from training.survey import Survey, survey
from training.tracking import Tracker
from training.use import HeldOut

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run of ``homeward evaluate``.

    Parameters
    ----------
    run_id : str
    findings : Findings
    unseen : str
        Which spells were judged, in words.
    """

    run_id: str
    findings: Findings
    unseen: str


def judge_registered(
    told: Registered,
    dataset: Dataset,
    *,
    tracker: Tracker,
    key: bytes,
    report: Report,
    more: Mapping[str, Any] | None = None,
) -> Judged:
    """Judge a fetched bundle and log the run, with ``more`` that was found in its evaluation.

    Raises
    ------
    BadInput
        See :func:`judge_bundle`.
    """
    name = f"evaluate {told.name} {told.version} on {dataset.path.name}"
    with tracker.run(name, kind="evaluation", manifest=dataset.manifest) as run:
        run.set_tags({"homeward.judged_version": told.version, "homeward.judged_model": told.name})
        bundle = load_bundle(Path(told.path))
        findings, unseen = judge_bundle(bundle, dataset, key=key, report=report)
        findings = replace(findings, evaluation={**findings.evaluation, **(more or {})})
        publish_findings(run, findings)
    return Judged(run_id=run.run_id, findings=findings, unseen=unseen)


def judge_bundle(
    bundle: Bundle, dataset: Dataset, *, key: bytes, report: Report
) -> tuple[Findings, str]:
    """Judge a bundle on a dataset: all of it, or, if it was trained on it, what was held out.

    Parameters
    ----------
    bundle : Bundle
    dataset : Dataset
    key : bytes
        The site's secret, for the numbers of rows.
    report : callable
        Takes lines of progress.

    Raises
    ------
    BadInput
        No spell in scope, or none that the model has not seen.
    """
    report("reading spells")
    held_out, unseen = unseen_of(bundle, survey(dataset, bundle.scope), report=report)
    material = held_out.material
    prediction = bundle.model.predict(material.matrix, material.days_so_far)
    evaluation = evaluate(held_out, prediction, {})
    horizons = [int(days) for days in evaluation["horizons"]]
    chance = {days: prediction.at_least(days) for days in horizons}
    target = {days: material.target(days) for days in horizons}
    findings = Findings(
        bundle=bundle,
        evaluation=evaluation,
        rows=held_out_rows(material.snapshots, chance, target, key=key),
        chances={days: {"model": column} for days, column in chance.items()},
        target=target,
    )
    return findings, unseen


def unseen_of(bundle: Bundle, found: Survey, *, report: Report) -> tuple[HeldOut, str]:
    """Snapshots of spells that a model has not seen, and which those are, in words.

    Raises
    ------
    BadInput
        There are none.
    """
    config = TrainingConfig.from_mapping(
        bundle.provenance["config"], name="configuration of the bundle"
    )
    split, unseen = _unseen(bundle, found, config)
    report(f"judging {unseen}")
    material = gather(found, split, bundle.model.feature_set, parts=(Part.TEST,))[Part.TEST]
    dataset = found.dataset
    if not len(material):
        msg = f"{dataset.path.name}: spells that the model has not seen expected, found none"
        raise BadInput(msg)
    clock = dataset.manifest.clock
    return HeldOut(material, found.told, clock, config.judging, config.seed), unseen


def _unseen(bundle: Bundle, found: Survey, config: TrainingConfig) -> tuple[Split, str]:
    """Spells the model has not seen; an extract that grew holds its old training spells too."""
    manifest = found.dataset.manifest
    learnt = learnt_from(bundle.provenance, manifest)
    if learnt is None:
        return everything(
            found.spells, until=found.until
        ), "every spell: the model learnt elsewhere"
    if learnt.everything:
        split = split_spells(
            found.spells, config.split, clock=manifest.clock, until=found.until, site=found.site
        )
        return split, "the held-out spells: the model was trained on the others"
    later = everything(found.spells, until=found.until, since=learnt.until)
    return (
        later,
        f"spells admitted from {to_moment(learnt.until):%Y-%m-%d}: the model knows earlier ones",
    )
