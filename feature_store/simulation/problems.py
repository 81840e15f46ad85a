"""Presenting problems as a table: who comes with what, and what it does to a stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_store.simulation.chance import Floats


@dataclass(frozen=True, slots=True)
class Problem:
    """One presenting problem.

    Parameters
    ----------
    name : str
        Value of ``PRESENTING_PROBLEM``.
    specialty : str
        Main specialty code of adults under 80.
    ward : str
        Where adults under 80 go after the assessment unit.
    icd10 : str
        Primary diagnosis, coded after discharge.
    adults, children : float
        Relative frequency among emergency adults of 65, and among children.
    older : float
        Change of the log frequency among adults for each ten years.
    slow, support, death, sick : float
        Effects, log-odds: on slowness to be ready, on needing support to leave, on death, and on
        how ill the patient is on arrival.
    inflamed : float
        Mean of log CRP above that of the well.
    """

    name: str
    specialty: str
    ward: str
    icd10: str
    adults: float
    children: float
    older: float
    slow: float
    support: float
    death: float
    sick: float
    inflamed: float


# Directions and order of size: stroke, hip fracture, infection and cancer lengthen most (Lisk 2019,
# docs/simulator.md). Frequencies, and the problems that shorten, are those of a usual acute take
# [judgement]. The last two are planned: nobody is recorded as presenting with them.
_TABLE: Final = """
name                   specialty ward   icd10 adults child older  slow support death sick inflamed
chest_pain             320       CARD   R074    10.5     1 -0.18 -0.60   -0.54  -0.9 -0.6      0.0
breathlessness         340       RESP   J441     9.5    20  0.08  0.09    0.00   0.2  0.5      0.7
pneumonia              340       RESP   J181     7.5     5  0.20  0.30    0.12   0.6  0.8      1.9
abdominal_pain         100       SURG   R104    10.0    16 -0.22 -0.15   -0.42  -0.3 -0.2      0.6
fall                   300       MED    R296     8.0     4  0.50  0.15    0.48  -0.1 -0.3      0.0
hip_fracture           110       ORTHO  S720     2.2     0  0.80  0.63    1.14   0.1 -0.2      0.7
stroke                 300       STROKE I639     2.8     0  0.40  0.60    0.96   0.7  0.2      0.0
confusion              300       MED    R410     4.0     1  0.60  0.27    0.54   0.3  0.3      0.6
urinary_infection      300       MED    N390     5.5     5  0.30  0.18    0.18   0.1  0.3      1.5
heart_failure          320       CARD   I500     4.5     0  0.50  0.33    0.06   0.5  0.4      0.2
gastrointestinal_bleed 301       MED    K922     3.2     1  0.10 -0.03   -0.24   0.3  0.2      0.0
collapse               300       MED    R55X     5.0     3  0.25 -0.21    0.00  -0.2 -0.2      0.0
cellulitis             300       MED    L031     3.5     3  0.05  0.06   -0.06  -0.4  0.0      1.3
cancer_complication    370       MED    C349     2.8     1  0.10  0.39    0.12   1.3  0.3      0.9
poisoning              300       MED    T391     3.2     3 -0.70 -0.60   -0.54  -1.2 -0.2      0.0
headache               300       MED    R51X     3.5     4 -0.40 -0.54   -0.48  -0.6 -0.5      0.0
limb_injury            110       ORTHO  S826     5.0    12 -0.05 -0.06    0.12  -1.0 -0.7      0.0
seizure                400       MED    G409     2.6     8 -0.25 -0.12    0.06   0.1  0.4      0.0
sepsis                 300       MED    A419     2.4     4  0.20  0.42    0.24   1.0  1.6      2.3
unwell                 300       MED    R69X     5.0    10  0.30  0.06    0.12   0.1  0.0      0.5
planned_procedure      100       SURG   K409     0.0     0  0.00  0.00    0.00  -0.8 -1.2      0.0
pregnancy              501       MAT    O800     0.0     0  0.00  0.00   -1.20  -4.0 -2.0      0.0
"""


def _read(table: str) -> tuple[Problem, ...]:
    rows = [line.split() for line in table.strip().splitlines()[1:]]
    texts = 4
    return tuple(_problem(row[:texts], [float(cell) for cell in row[texts:]]) for row in rows)


def _problem(texts: list[str], numbers: list[float]) -> Problem:
    name, specialty, ward, icd10 = texts
    return Problem(name, specialty, ward, icd10, *numbers)


PROBLEMS: Final = _read(_TABLE)
PROBLEM_NAMES: Final = tuple(problem.name for problem in PROBLEMS)
PLANNED_PROCEDURE: Final = PROBLEM_NAMES.index("planned_procedure")
PREGNANCY: Final = PROBLEM_NAMES.index("pregnancy")


def column(name: str) -> Floats:
    """One number of every problem, in the order of the table; shape (problems,)."""
    return np.array([getattr(problem, name) for problem in PROBLEMS], dtype=np.float64)


def is_one_of(*names: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each problem of the table is one of these; shape (problems,)."""
    return np.array([name in names for name in PROBLEM_NAMES])
