"""Wall time, CPU time and peak memory of child processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spent:
    """What a child process took.

    Parameters
    ----------
    seconds, cpu_seconds : float
        CPU of the process and of its own children.
    peak_mib : float
        Largest resident memory of one process among them, and never less than that of the process
        that started it, which Linux counts in: so start it from a small one.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def spend(
    words: Sequence[str], *, folder: Path, environment: Mapping[str, str], output: Path
) -> Spent:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        It failed; what it said is in ``output``.
    """
    begun = time.perf_counter()
    with output.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            words, cwd=folder, env=dict(environment), stdout=said, stderr=subprocess.STDOUT
        )
        spent = wait(process, begun)
    if process.returncode:
        last = output.read_text(errors="replace").strip().splitlines()[-1:]
        msg = f"{' '.join(words[2:5])} ended with exit code {process.returncode}: {last}"
        raise RuntimeError(msg)
    return spent


def wait(process: subprocess.Popen[bytes], begun: float) -> Spent:
    """Wait for a process and read what it took."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Spent(
        seconds=time.perf_counter() - begun,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,  # Linux counts in KiB
    )


def cpu_of_all() -> float:
    """CPU seconds of this process and all that it started, those that have ended included.

    From ``/proc``: so of Linux alone.
    """
    spent: dict[int, float] = {}
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(folder.name)] = int(told[1])
        spent[int(folder.name)] = sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")
    return sum(cpu for process, cpu in spent.items() if _is_ours(process, parents))


def _is_ours(process: int, parents: Mapping[int, int]) -> bool:
    while process != os.getpid():
        if process not in parents:
            return False
        process = parents[process]
    return True
