"""Where and with what the figures were measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from typing import Any, Final

_LIBRARIES: Final = (
    *("numpy", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost", "catboost"),
    *("pandas", "polars", "duckdb", "pyarrow", "pyspark"),
)


def machine() -> dict[str, Any]:
    """Date, class of machine and versions, without anything that names the machine."""
    return {
        "date": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a benchmark reads the clock
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB",
        "python": platform.python_version(),
        "versions": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def told(where: dict[str, Any]) -> str:
    """Return one line for a reader."""
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return f"{where['date']}; {where['machine']}; Python {where['python']}; {versions}."


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
