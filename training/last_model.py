"""The last model as a baseline: the champion, on the held-out snapshots of its successor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from feature_store.errors import BadInput
from feature_store.vocabulary import family_of
from models.bundle import Bundle, load_bundle
from models.judging.estimate import Float64
from models.registry import MODEL_NAME, fetch
from training.config import TrainingConfig
from training.material import gather
from training.preparation import Prepared
from training.provenance import learnt_from
from training.split import Part
from training.tracking import CHAMPION, Tracker

LEAST_KNOWN: Final = 0.8
"""Share of a model's gain that must rest on facts the data have for it to be judged on them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LastModel:
    """The champion, or why it cannot be read.

    Parameters
    ----------
    version : str
    bundle : Bundle or None
    unread : str
        Why there is no bundle.
    """

    version: str
    bundle: Bundle | None = None
    unread: str = ""


def find_last(tracker: Tracker, cache: Path) -> LastModel | None:
    """Fetch the champion; None where there is none yet.

    A champion that cannot be read must not stop a successor, so it is only said.
    """
    version = tracker.version_of(CHAMPION)
    if version is None:
        return None
    try:
        bundle = load_bundle(fetch(f"models:/{MODEL_NAME}/{version}", cache))
    except BadInput as error:
        return LastModel(version=version, unread=str(error))
    return LastModel(version=version, bundle=bundle)


def beside(
    last: LastModel, prepared: Prepared, config: TrainingConfig
) -> tuple[dict[int, Float64], str]:
    """Chances the last model gives the held-out snapshots, by horizon; or none, and why.

    Its own features are computed, as its service would have at those moments. It is left out where
    it has seen some of these spells, for it would look too good, and where the data lack what it
    learnt from.
    """
    if last.bundle is None:
        return {}, last.unread
    why = _seen(last.bundle, prepared, config) or _strange(last.bundle, prepared)
    if why:
        return {}, why
    model = last.bundle.model
    test = gather(prepared.found, prepared.split, model.feature_set, parts=(Part.TEST,))[Part.TEST]
    prediction = model.predict(test.matrix, test.days_so_far)
    return {days: prediction.at_least(days) for days in model.grid.horizons}, ""


def _seen(bundle: Bundle, prepared: Prepared, config: TrainingConfig) -> str:
    """Why it may know some of the held-out spells; empty if it cannot."""
    learnt = learnt_from(bundle.provenance, prepared.found.dataset.manifest)
    if learnt is None:
        return ""
    if learnt.everything:
        told: Mapping[str, Any] = bundle.provenance["config"]
        now = config.to_mapping()
        same = all(told[key] == now[key] for key in ("split", "scope"))
        return "" if same else "it was made of the same data, split or scoped differently"
    first = int(prepared.materials[Part.TEST].snapshots.spell_start.min())
    return "" if learnt.until <= first else "it learnt from some of the held-out spells"


def _strange(bundle: Bundle, prepared: Prepared) -> str:
    """Why the data are not its data; empty if they are."""
    codes = set(prepared.found.dataset.descriptions())
    codes |= {family_of(code) for code in codes}
    features = bundle.model.feature_set.features
    known = sum(
        gain
        for gain, feature in zip(bundle.model.importance, features, strict=True)
        if not feature.codes or codes.intersection(feature.codes)
    )
    share = known / max(sum(bundle.model.importance), 1e-12)
    return "" if share >= LEAST_KNOWN else f"the data have {share:.0%} of what it learnt from"
