"""The path of a newcomer, step by step: wall time, CPU time and peak memory of each command.

Each command runs as a process of its own in an empty folder. The service is started, stopped, and
started again: a warm start has the model's files at hand. Seconds depend on the machine and on who
else uses it; the goals are for two cores that do nothing else.

Usage: python -m benchmarks.path [--quick]
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.homeward_command import command, environment
from benchmarks.processes import Spent, spend, wait
from benchmarks.report import Report, options
from benchmarks.uci_source import ROOT, source
from feature_store.errors import BadInput

READY_SECONDS: Final = 60.0
WARM_STARTS: Final = 5
_POLL: Final = 0.01


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--spells", type=int, default=20_000)
    chosen = parser.parse_args(arguments)
    spells = 3_000 if chosen.quick else chosen.spells
    report = Report("path", quick=chosen.quick)
    print(f"\n## The path\n\n{__doc__.splitlines()[0]}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = ("--spells", str(spells))
        rows = [_step(folder, "20 s", "simulate", "--out", "trust", *size)]
        try:
            rows += _on_real_data(folder, quick=chosen.quick)
        except BadInput as error:
            print(f"path: {error}", file=sys.stderr)
        rows.append(_step(folder, "", "train", "trust"))
        rows += _starts(folder, 1 if chosen.quick else WARM_STARTS)
    report.add("The path", ("command", "goal", "wall s", "CPU s", "peak MiB"), rows)
    report.close(chosen.out)
    return 0


def _on_real_data(folder: Path, *, quick: bool) -> list[list[str]]:
    mapping = ROOT / "mappings" / "uci_diabetes130.toml"
    rows = [
        _step(folder, "30 s", "ingest", "--mapping", str(mapping), "--out", "uci", str(source()))
    ]
    return rows if quick else [*rows, _step(folder, "180 s", "train", "uci")]


def _step(folder: Path, goal: str, *arguments: str) -> list[str]:
    spent = spend(
        command(*arguments), folder=folder, environment=environment(), output=folder / "said.txt"
    )
    shown = " ".join(Path(word).name if "/" in word else word for word in arguments)
    return _row(f"`homeward {shown}`", goal, spent)


def _row(name: str, goal: str, spent: Spent) -> list[str]:
    figures = (f"{spent.seconds:.1f}", f"{spent.cpu_seconds:.1f}", f"{spent.peak_mib:,.0f}")
    print(f"path: {name} {figures[0]} s", file=sys.stderr, flush=True)
    return [name, goal, *figures]


def _starts(folder: Path, warm: int) -> list[list[str]]:
    """First start, which fetches the model, and the median of the warm ones."""
    first = _start(folder)
    others = sorted((_start(folder) for _ in range(warm)), key=lambda spent: spent.seconds)
    name = "`homeward serve` to ready"
    return [
        _row(f"{name}, first", "", first),
        _row(f"{name}, warm (median of {warm})", "3 s", others[warm // 2]),
    ]


def _start(folder: Path) -> Spent:
    """Seconds to ready; CPU and memory of the whole short life of the process."""
    port = _free_port()
    begun = time.perf_counter()
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command("serve", "--port", str(port)),
            cwd=folder,
            env={**environment(), "HOMEWARD_MODEL_URI": "models:/long-stay/1"},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            seconds = _until_ready(process, port, begun)
        finally:
            process.terminate()
            spent = wait(process, begun)
    return Spent(seconds, spent.cpu_seconds, spent.peak_mib)


def _until_ready(process: subprocess.Popen[bytes], port: int, begun: float) -> float:
    while (seconds := time.perf_counter() - begun) < READY_SECONDS:
        if process.poll() is not None:
            break
        if _is_ready(port):
            return seconds
        time.sleep(_POLL)
    msg = f"the service was not ready after {seconds:.0f} s"
    raise RuntimeError(msg)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
