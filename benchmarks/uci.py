"""UCI Diabetes 130-US hospitals: found, ingested by ``homeward ingest``, divided by patient."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.cases import Cases, Int64, Trial, part_patients
from benchmarks.homeward_command import run
from benchmarks.peers import Peer
from benchmarks.peers.boosting import catboost_on
from benchmarks.uci_source import ROOT, source
from feature_store.automatic import derive_features
from feature_store.compute import compute_features
from feature_store.dataset import open_dataset
from feature_store.definitions import FeatureSet, Scope
from feature_store.events import Events
from feature_store.manifest import Clock
from feature_store.nhs import NHS
from feature_store.outcome import Outcomes, outcomes_of
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import find_spells

HORIZONS: Final = (7, 14)
"""The source ends at 14 days: 21 cannot be tested on it."""

SOURCE_PEER: Final = "CatBoost, source columns"

DOOR: Final = (
    *("race", "gender", "age", "admission_type_id", "admission_source_id", "payer_code"),
    *("medical_specialty", "number_outpatient", "number_emergency", "number_inpatient"),
)
NUMBERS: Final = (
    *("age", "number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"),
)


@dataclass(frozen=True, slots=True)
class ColumnSet:
    """Columns that a table gives to everybody.

    Parameters
    ----------
    name, label : str
    mapping : str
        File under ``mappings/``.
    columns : tuple of str
        Of the source.
    bar : float
        AUROC at 7 days to reach, without history.
    """

    name: str
    label: str
    mapping: str
    columns: tuple[str, ...]
    bar: float


SETS: Final[Mapping[str, ColumnSet]] = {
    "A": ColumnSet(
        "A",
        "set A: door columns and diag_1 (coded after discharge: stands in for the presenting "
        "problem)",
        "uci_diabetes130.toml",
        (*DOOR, "diag_1"),
        0.707,
    ),
    "B": ColumnSet(
        "B",
        "set B: set A with diag_2, diag_3 and number_diagnoses, NOT KNOWN AT ADMISSION, for "
        "comparison with published figures only",
        "uci_diabetes130_diagnoses.toml",
        (*DOOR, "diag_1", "diag_2", "diag_3", "number_diagnoses"),
        0.7604,
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """The encounters of one column set: one snapshot each, at admission.

    Parameters
    ----------
    events : Events
    snapshots : Snapshots
    outcomes : Outcomes
    clock : Clock
    descriptions : mapping of str to (str, str)
    """

    events: Events
    snapshots: Snapshots
    outcomes: Outcomes
    clock: Clock
    descriptions: Mapping[str, tuple[str, str]]

    def take(self, rows: np.ndarray[Any, Any]) -> Cohort:
        """Return the cohort with these snapshots only; events stay."""
        return Cohort(
            self.events,
            self.snapshots.take(rows),
            self.outcomes.take(rows),
            self.clock,
            self.descriptions,
        )

    def trial(self, train: Int64, test: Int64, *, history: bool, seed: int) -> Trial:
        """Features learnt on the training patients, and a fifth of those kept for calibration.

        Parameters
        ----------
        train, test : ndarray of int64
            Rows; of different patients.
        history : bool
            Whether features from the patient's earlier encounters are given too.
        seed : int
            Decides who calibrates.
        """
        learnt_on = self.snapshots.take(train)
        feature_set = derive_features(
            self.events.take(np.isin(self.events.subject_id, learnt_on.subject_id)),
            learnt_on,
            clock=self.clock,
            described=NHS,
            labels=self.descriptions,
        )
        if not history:
            feature_set = without_history(feature_set)
        whole, asked = self._cases(train, feature_set), self._cases(test, feature_set)
        held = part_patients(learnt_on.subject_id, 5, seed=seed) == 0
        return Trial(whole.take(~held), whole.take(held), asked, whole)

    def _cases(self, rows: Int64, feature_set: FeatureSet) -> Cases:
        snapshots = self.snapshots.take(rows)
        matrix = compute_features(self.events, snapshots, feature_set)
        return Cases(matrix, snapshots, self.outcomes.take(rows), feature_set)


def without_history(feature_set: FeatureSet) -> FeatureSet:
    """Return what is read from this encounter alone: the columns that published figures use."""
    return feature_set.take(
        [
            column
            for column, feature in enumerate(feature_set.features)
            if feature.scope is not Scope.HISTORY
        ]
    )


def cohort(columns: ColumnSet) -> Cohort:
    """Ingest the published file by the mapping of a column set, and read it back."""
    path = source()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "uci"
        mapping = str(ROOT / "mappings" / columns.mapping)
        run("ingest", "--mapping", mapping, "--out", str(out), str(path), folder=Path(folder))
        dataset = open_dataset(out)
        events, until = dataset.read().in_order(), dataset.manifest.until
        descriptions = dataset.descriptions()
    spells = find_spells(events)
    snapshots = daily_snapshots(spells, until=until, mornings=False)
    return Cohort(
        events,
        snapshots,
        outcomes_of(snapshots, spells, until=until),
        dataset.manifest.clock,
        descriptions,
    )


def source_peer(columns: ColumnSet) -> Peer:
    """CatBoost on the source's own columns: what Homeward's features cost its best peer."""
    names = list(columns.columns)
    table = pd.read_csv(
        source(), dtype=str, keep_default_na=False, usecols=["encounter_id", *names]
    )
    table = table.set_index(table.pop("encounter_id").astype("int64"))
    table["age"] = table["age"].str.extract(r"\[(\d+)-")[0].astype("float64") + 5.0
    for name in set(NUMBERS) & set(names):
        table[name] = table[name].astype("float64")
    categorical = [column for column, name in enumerate(names) if name not in NUMBERS]

    def frame(cases: Cases) -> tuple[pd.DataFrame, list[int]]:
        return table.loc[cases.snapshots.spell_id, names], categorical

    return Peer(
        name=SOURCE_PEER,
        effort="as CatBoost, but on the source's columns with every diagnosis code as it is",
        sizes=(25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0),
        fit=catboost_on(frame),
        staged=True,
        library="catboost",
        horizons=(7,),
    )
