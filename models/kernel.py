"""The compiled kernel: loading it, and handing it arrays.

The kernel is plain C behind ctypes, which lets other threads run while it does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

VERSION: Final = 4
"""Of the structures below; the library must have been compiled from the same (``kernel.c``)."""

LIBRARY: Final = Path(__file__).with_name("_kernel.so")


class KernelMissing(RuntimeError):
    """The compiled library is not there, or is older than the code that calls it."""


class Model(ctypes.Structure):
    """``model`` of ``kernel.c``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("lanes", "trees", "features", "codes", "bundles")),
        *(
            (f"most_{name}", ctypes.c_int32)
            for name in (
                *("trees", "gains", "stride", "nodes", "slots", "pairs", "mixed", "points"),
            )
        ),
        ("expected", ctypes.c_double),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("score_nodes", "score_values", "roots", "words", "code_features"),
                *(
                    "reason_bundles",
                    "reason_trees",
                    "threshold",
                    "column",
                    "gain",
                    "links",
                    "varying",
                ),
                *("leaf_weight", "ratios", "sets", "repeats", "points"),
            )
        ),
    )


class GridPlan(ctypes.Structure):
    """``grid_plan`` of ``kernel.c``."""

    _fields_ = (
        ("points", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("varying", "values", "cells", "cell_of", "sample", "first_gain", "gains"),
                *("score_nodes", "score_values", "roots"),
            )
        ),
        ("walks", ctypes.c_int64),
    )


class Forecaster(ctypes.Structure):
    """``forecaster`` of ``kernel_forecast.c``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("features", "ratios", "boundaries", "segments")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("exits", "deaths", "ratio_feature", "ratio_start", "ratio_table", "edges"),
                *("parts", "steps", "elapsed", "levels", "log_levels"),
            )
        ),
    )


class Outlook(ctypes.Structure):
    """``outlook`` of ``kernel_forecast.c``."""

    _fields_ = (
        ("intervals", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("exits", "deaths", "weights")),
    )


class Forecasting(ctypes.Structure):
    """``forecast`` of ``kernel_forecast.c``."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("explain", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("matrix", "days", "ahead", "x", "raw", "staying", "raw_died", "died"),
                *("chance", "day", "effects", "base", "log_odds"),
            )
        ),
    )


class Teller(ctypes.Structure):
    """``teller`` of ``kernel_forecast.c``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("features", "concepts", "families")),
        ("worth_naming", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("concept", "family", "share")),
    )


def fill(structure: ctypes.Structure, arrays: Mapping[str, NDArray[Any]], **sizes: float) -> None:
    """Set the fields of a structure; the caller keeps the arrays alive as long as it is used."""
    for name, array in arrays.items():
        setattr(structure, name, array.ctypes.data)
    for name, size in sizes.items():
        setattr(structure, name, size)


def kernel_available() -> bool:
    """Whether trees can score and explain in this installation."""
    try:
        library()
    except KernelMissing:
        return False
    return True


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Load the compiled kernel.

    Raises
    ------
    KernelMissing
        If it is not built, cannot be loaded here, or is of another version.
    """
    remedy = "install Homeward again (make test or make demo does it)"
    if not LIBRARY.exists():
        msg = f"the compiled kernel {LIBRARY.name} of models is not built: {remedy}"
        raise KernelMissing(msg)
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
        version = int(loaded.homeward_kernel_version())
    except (OSError, AttributeError) as error:
        msg = f"the compiled kernel {LIBRARY.name} of models cannot be loaded here: {remedy}"
        raise KernelMissing(msg) from error
    if version != VERSION:
        msg = (
            f"kernel version {VERSION} expected, got {version}, compiled from other code: {remedy}"
        )
        raise KernelMissing(msg)
    for name, arguments in _SIGNATURES.items():
        getattr(loaded, name).argtypes = arguments
    loaded.homeward_forecast.restype = loaded.homeward_prune.restype = _COUNT
    loaded.homeward_tell.restype = loaded.homeward_find_missing.restype = None
    return loaded


_POINTER, _COUNT, _NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_SIGNATURES: Final = {
    "homeward_scores": (_POINTER, _POINTER, _COUNT, _POINTER),
    "homeward_scores_on_grid": (_POINTER, _POINTER, _POINTER, _COUNT, _POINTER),
    "homeward_plan_grid": (_POINTER, _POINTER),
    "homeward_prune": (_POINTER, _POINTER, _COUNT, _COUNT),
    "homeward_forecast": (_POINTER, _POINTER, _NUMBER),
    "homeward_tell": (_POINTER, _POINTER, _COUNT, _NUMBER, _NUMBER, *(_POINTER,) * 3),
    "homeward_find_missing": (_POINTER, _POINTER, _COUNT, _POINTER, _POINTER),
    "homeward_reasons": (_POINTER, _POINTER, _POINTER, _POINTER, _COUNT, _POINTER),
}
