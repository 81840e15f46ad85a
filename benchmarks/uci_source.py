"""Where the published file of UCI Diabetes 130-US hospitals is looked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from feature_store.errors import BadInput

ROOT: Final = Path(__file__).parents[1]
FILE: Final = Path("uci_diabetes130") / "diabetic_data.csv.gz"


def source() -> Path:
    """Find the published file.

    Raises
    ------
    BadInput
        It is not there, with where it was looked for and where to get it.
    """
    shared = os.environ.get("HOMEWARD_SHARED_DATA")
    path = (Path(shared) if shared else ROOT.parent / "shared" / "data").resolve() / FILE
    if not path.is_file():
        msg = (
            f"{FILE.name} expected at $HOMEWARD_SHARED_DATA/{FILE} or at ../shared/data/{FILE} "
            "beside this repository; it is data set 296 of the UCI Machine Learning Repository "
            "(DOI 10.24432/C5230J), compressed with gzip"
        )
        raise BadInput(msg)
    return path
