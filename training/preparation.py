"""Data made ready to learn from: spells to snapshots, split, with features and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from feature_store.dataset import Dataset
from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.vocabulary import LONG_STAY_DAYS
from training.config import TrainingConfig
from training.firewall import find_suspects, refuse_leaks
from training.leaks import Suspect
from training.material import Material, choose_features, gather
from training.size import sides_of
from training.split import Part, Split, split_spells
from training.survey import Engine, Survey, survey

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Data made ready.

    Parameters
    ----------
    found : Survey
    split : Split
    feature_set : FeatureSet
    materials : mapping of Part to Material
    suspects : tuple of Suspect
        Of a leak, each allowed by the settings.
    """

    found: Survey
    split: Split
    feature_set: FeatureSet
    materials: Mapping[Part, Material]
    suspects: tuple[Suspect, ...] = ()


def prepare(
    dataset: Dataset,
    config: TrainingConfig,
    report: Report,
    *,
    parted: tuple[Survey, Split] | None = None,
    engine: Engine | None = None,
) -> Prepared:
    """Spells to snapshots, split, with features and outcomes.

    Parameters
    ----------
    dataset : Dataset
    config : TrainingConfig
    report : callable
    parted : tuple of Survey and Split, optional
        Where they are known already.
    engine : callable, optional
        What computes the features of many snapshots; this process by default.

    Raises
    ------
    BadInput
        Too little to learn from, with what there is and what is needed.
    Refused
        A feature is suspected of a leak.
    """
    found, split = parted or _parted(dataset, config, report, engine)
    report("spells: " + ", ".join(f"{count} {name}" for name, count in split.counts.items()))
    feature_set = choose_features(found, split, config.features)
    report(f"computing {len(feature_set)} features")
    materials = gather(found, split, feature_set)
    _check(materials[Part.TRAIN], config.split.least_spells // 2)
    suspects = find_suspects(found, materials, feature_set, config.firewall)
    refuse_leaks(suspects, feature_set, config.firewall)
    return Prepared(found, split, feature_set, materials, suspects)


def _parted(
    dataset: Dataset, config: TrainingConfig, report: Report, engine: Engine | None
) -> tuple[Survey, Split]:
    report("reading spells")
    found = survey(dataset, config.scope, engine=engine, threads=config.threads)
    clock = dataset.manifest.clock
    return found, split_spells(
        found.spells, config.split, clock=clock, until=found.until, site=found.site
    )


def _check(material: Material, least: int) -> None:
    first = min(LONG_STAY_DAYS)
    long, short = sides_of(material)
    if min(long, short) < least:
        msg = (
            f"training: at least {least} training spells on each side of {first} midnights "
            f"expected, got {long} that reached it and {short} that did not; give a longer period"
        )
        raise BadInput(msg)
