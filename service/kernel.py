"""The compiled kernel that reads requests: loading it, and its structures.

Plain C behind ctypes, which lets other threads run while it does.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Final

VERSION: Final = 2
"""Of the structures below; the library must have been compiled from the same (``kernel.c``)."""

LIBRARY: Final = Path(__file__).with_name("_kernel.so")

READ, REFUSED, UNKNOWN_CODES, DOUBTFUL_IDENTIFIER = range(4)
"""What ``homeward_read`` says: of a request all but the third, of all of them the first or that."""

_NUMBER, _COUNT, _AT = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p


class KernelMissing(ImportError):
    """The compiled library is not there: the package was not installed, only copied."""


class Book(ctypes.Structure):
    """``codebook`` of ``kernel.c``."""

    _fields_ = (
        ("seed", _COUNT),
        *((name, _NUMBER) for name in ("codes", "slots")),
        *((name, _AT) for name in ("texts", "ends", "low", "high", "kind", "digest", "slot")),
    )


class SheetPlan(ctypes.Structure):
    """``sheet`` of ``kernel.c``."""

    _fields_ = (
        ("body", ctypes.c_char_p),
        *((name, _COUNT) for name in ("size", "most_events", "most_spells")),
        *((name, _COUNT) for name in ("most_spells_of_one", "most_events_of_one")),
        ("book", _AT),
        ("asked", _COUNT),
        *((name, _AT) for name in ("room", "subject", "time", "recorded", "owner", "code")),
        *((name, _AT) for name in ("value", "unknown", "place", "codes", "spells", "facts")),
        ("requests", _AT),
        *((name, _COUNT) for name in ("events", "count", "unknowns", "met", "room_used")),
    )


@cache
def library() -> ctypes.CDLL:
    """Load the compiled kernel.

    Raises
    ------
    KernelMissing
        It is not built, or from other code than this.
    """
    remedy = "install Homeward again (make test or make demo does it)"
    if not LIBRARY.exists():
        msg = f"the compiled kernel {LIBRARY.name} of service is not built: {remedy}"
        raise KernelMissing(msg)
    loaded = ctypes.CDLL(str(LIBRARY))
    version = int(loaded.homeward_service_kernel_version())
    if version != VERSION:
        msg = (
            f"service kernel version {VERSION} expected, got {version}, compiled from other code: "
            f"{remedy}"
        )
        raise KernelMissing(msg)
    loaded.homeward_read.argtypes = (_AT,)
    loaded.homeward_fill_slots.argtypes = (_AT,)
    loaded.homeward_fill_slots.restype = None
    return loaded
