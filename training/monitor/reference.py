"""The reference that a bundle keeps: what the patients were like on whom it was judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from feature_store.definitions import FeatureSet
from models.judging.estimate import Float64
from training.material import Material
from training.monitor.drift import SCORE, Reference


def reference_of(
    material: Material, feature_set: FeatureSet, chances: Mapping[int, Float64]
) -> Reference:
    """Describe the features and the scores of the first snapshot of each spell.

    Parameters
    ----------
    material : Material
        Held-out snapshots: the latest patients that training has.
    feature_set : FeatureSet
    chances : mapping of int to ndarray of float64, each of shape (n,)
        Of each horizon, by the model.
    """
    _, first = np.unique(material.snapshots.spell_id, return_index=True)
    names = [feature.name for feature in feature_set.features]
    columns = np.column_stack([material.matrix, *chances.values()])[first]
    names += [f"{SCORE}{days}" for days in chances]
    return Reference.of(columns, names, categorical=feature_set.categorical)
