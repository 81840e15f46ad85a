"""Texts to numbers: plain ones and bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_BAND: Final = r"^[\[(]? ?(?P<low>\d+(?:\.\d+)?) ?(?:-|to|,) ?(?P<high>\d+(?:\.\d+)?) ?[\])]?$"


def numbers(text: pa.Array) -> NDArray[np.float64]:
    """Numbers in decimal notation; NaN where the text is missing or something else.

    >>> numbers(pa.array(["12", "-0.5", "1,5", "nan", None])).tolist()
    [12.0, -0.5, nan, nan, nan]
    """
    fits = pc.match_substring_regex(text, _NUMBER)
    return _floats(pc.if_else(fits, text, pa.scalar(None, pa.string())))


def middles(text: pa.Array) -> NDArray[np.float64]:
    """Middles of bands; NaN where the text is missing or no band.

    >>> middles(pa.array(["[70-80)", "20 to 30", "80+"])).tolist()
    [75.0, 25.0, nan]
    """
    ends = pc.extract_regex(text, _BAND)
    low, high = (_floats(pc.struct_field(ends, name)) for name in ("low", "high"))
    return np.where(low <= high, (low + high) / 2, np.nan)


def _floats(text: pa.Array) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(text.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False))
