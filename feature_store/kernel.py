"""The compiled kernel of :mod:`feature_store.compute`, through ctypes: no Python headers needed."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

LIBRARY: Final = Path(__file__).with_name("_kernel.so")


class KernelMissing(ImportError):
    """The compiled library is not there: the package was not installed, only copied."""


@cache
def load() -> ctypes.CDLL:
    """Load the library once.

    Raises
    ------
    KernelMissing
        With what to do about it.
    """
    if not LIBRARY.exists():
        msg = f"{LIBRARY.name} is not built: install Homeward (pip install -e .), which compiles it"
        raise KernelMissing(msg)
    library = ctypes.CDLL(str(LIBRARY))
    library.homeward_series_bytes.restype = ctypes.c_int64
    library.homeward_features.restype = None
    return library


def address(column: NDArray[np.generic]) -> ctypes.c_void_p:
    """Address of a contiguous column."""
    return ctypes.c_void_p(column.ctypes.data)
