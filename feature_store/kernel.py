"""The compiled kernel of :mod:`feature_store.compute`, through ctypes: no Python headers needed."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

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
    library.homeward_features.argtypes = (
        *(*(_AT,) * 5, _SIZE, _AT, _AT),
        *(*(_AT,) * 7, _SIZE, _SIZE),
        *(_AT, _AT, _SIZE, _SIZE, _SIZE),
        *(*(_AT,) * 4, _SIZE),
        _AT,
    )
    library.homeward_order.argtypes = (*(_AT,) * 5, _SIZE, _AT)
    library.homeward_local.argtypes = (_AT, _SIZE, _AT, _AT, _SIZE, _SIZE, _SIZE, _AT)
    return library


_byte_of: Final = ctypes.c_byte.from_buffer
_AT, _SIZE = ctypes.c_void_p, ctypes.c_int64


def address(column: NDArray[np.generic]) -> int:
    """Address of a contiguous column; ``column.ctypes`` says so too, at twice the cost."""
    try:
        return ctypes.addressof(_byte_of(cast("Any", column)))
    except (TypeError, ValueError):  # it may not be written to, or is empty
        return int(column.ctypes.data)
