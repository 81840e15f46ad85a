"""One engine on one folder, in a process of its own.

``python -m benchmarks.engines NAME FOLDER OUT --warm SMALL`` writes the matrix to OUT.npy, seconds
and peak memory to OUT.json. It runs on the folder SMALL first, so that no engine's start-up is
timed. With ``--memory`` events are loaded before the clock starts, too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Run one engine once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--warm", type=Path, required=True)
    parser.add_argument("--memory", action="store_true")
    chosen = parser.parse_args()
    engine = importlib.import_module(f"benchmarks.engines.{chosen.engine}_engine")
    engine.from_disk(chosen.warm)
    compute = engine.in_memory(chosen.folder) if chosen.memory else None
    begun, worked = time.perf_counter(), time.process_time()
    matrix = compute() if compute else engine.from_disk(chosen.folder)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - worked
    np.save(chosen.out.with_suffix(".npy"), matrix)
    figures = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": _peak_mib()}
    chosen.out.with_suffix(".json").write_text(json.dumps(figures))


def _peak_mib() -> float:
    """Peak resident memory of this process; that of ``getrusage`` would include its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
