"""What a run cost: wall time, CPU time and peak memory, of the whole and of its stages."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of both clocks, in seconds; CPU is of all threads of the process."""

    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)


@dataclass(frozen=True, slots=True)
class Cost:
    """A meter, running since it was made.

    >>> cost = Cost()
    >>> with cost.stage("fit"):
    ...     pass
    >>> sorted(cost.figures())
    ['cpu_seconds', 'cpu_seconds_fit', 'peak_mib', 'seconds', 'seconds_fit']
    """

    begun: Moment = field(default_factory=Moment)
    stages: dict[str, tuple[float, float]] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside under a name; what failed counts too."""
        began = Moment()
        try:
            yield
        finally:
            now, before = Moment(), self.stages.get(name, (0.0, 0.0))
            self.stages[name] = (
                before[0] + now.wall - began.wall,
                before[1] + now.cpu - began.cpu,
            )

    def figures(self) -> dict[str, float]:
        """``seconds``, ``cpu_seconds``, ``peak_mib``, and by stage ``seconds_fit`` and so on.

        Peak memory is the largest resident size of the process since it was started.
        """
        now = Moment()
        told = {
            "seconds": now.wall - self.begun.wall,
            "cpu_seconds": now.cpu - self.begun.cpu,
            "peak_mib": _peak_mib(),
        }
        for name, (wall, cpu) in self.stages.items():
            told |= {f"seconds_{name}": wall, f"cpu_seconds_{name}": cpu}
        return {name: round(value, 3) for name, value in told.items()}


def cost_words(figures: Mapping[str, float]) -> str:
    """One line for a reader.

    >>> cost_words({"seconds": 61.2, "cpu_seconds": 100.0, "peak_mib": 812.4})
    'Took 61 s (100 s of CPU), at most 812 MiB'
    """
    return (
        f"Took {figures['seconds']:.0f} s ({figures['cpu_seconds']:.0f} s of CPU), at most "
        f"{figures['peak_mib']:.0f} MiB"
    )


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # Linux counts in KiB
