"""The reference that a bundle keeps: what the patients were like on whom it was judged."""

from __future__ import annotations

import numpy as np

from feature_store.definitions import FeatureSet
from training.material import Material
from training.monitor.drift import Reference


def reference_of(material: Material, feature_set: FeatureSet) -> Reference:
    """Describe the features of the first snapshot of each spell.

    Parameters
    ----------
    material : Material
        Held-out snapshots: the latest patients that training has.
    feature_set : FeatureSet
    """
    _, first = np.unique(material.snapshots.spell_id, return_index=True)
    names = [feature.name for feature in feature_set.features]
    return Reference.of(material.matrix[first], names, categorical=feature_set.categorical)
