"""A bench for mappings: small text files in, events out."""

import gzip
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from feature_store.clock import to_moment
from feature_store.dataset import Dataset, open_dataset
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL
from feature_store.ingest import ingest

# ---- real data, where they are at hand ----------------------------------------------------------

SHARED_DATA = Path(
    os.environ.get(
        "HOMEWARD_TEST_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"
    )
)
ABSENT = "needs real public data (HOMEWARD_TEST_SHARED_DATA, or ../shared/data beside the checkout)"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"needs_shared_data: {ABSENT}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test of data that are not here."""
    if item.get_closest_marker("needs_shared_data") and not SHARED_DATA.is_dir():
        pytest.skip(ABSENT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out: these tests must not seem to have passed."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(ABSENT in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.section("left out: real data", yellow=True)
        terminalreporter.line(f"{count} tests marked 'needs_shared_data': {ABSENT}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real public data."""
    return SHARED_DATA


# ---- small extracts -----------------------------------------------------------------------------

# Whole-number keys that are kept, exact times, one table: what most tests change a little.
MAPPING = """\
name = "bench"
[keys]
keep = ["subject", "spell"]
[table.spells]
file = "spells*"
subject = "patient"
spell = "spell"
[spells]
table = "spells"
start = "start"
end = "end"
"""
SPELLS = """\
patient,spell,start,end
1,11,2026-01-01 10:00,2026-01-03 09:00
2,21,2026-01-05 10:00,
"""


@dataclass
class Bench:
    """Runs ingest in a folder of its own."""

    folder: Path
    _numbers: itertools.count = field(default_factory=itertools.count)

    def run(
        self, mapping: str = MAPPING, reject_file=None, observed_until=None, **files
    ) -> Dataset:
        """Ingest files given as text, bytes (written as they are) or paths."""
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        sources = [self.write(folder, name, content) for name, content in files.items()]
        (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
        self.out = folder / "out" / "events"
        ingest(
            folder / "mapping.toml",
            sources,
            self.out,
            reject_file=reject_file,
            observed_until=observed_until,
        )
        return open_dataset(self.out)

    @staticmethod
    def write(folder: Path, name: str, content) -> Path:
        """Put a source on disk; `spells_csv_gz` is written as `spells.csv.gz`."""
        if isinstance(content, Path):
            return content
        stem, _, suffix = name.partition("_")
        path = folder / f"{stem}.{(suffix or 'csv').replace('_', '.')}"
        data = content.encode() if isinstance(content, str) else content
        if suffix == "csv_gz" and isinstance(content, str):
            data = gzip.compress(data)
        path.write_bytes(data)
        return path

    def told(self, dataset: Dataset, *, family: str = "") -> list[tuple]:
        """Events as (subject, spell, code, number, time, recorded at), UTC to the minute."""
        events = dataset.read()
        rows = []
        for row in range(len(events)):
            code = events.codes[events.code[row]]
            if family and code.partition("//")[0] != family:
                continue
            if not family and code in {"SPELL_START", "SPELL_END"}:
                continue
            number = float(events.numeric_value[row])
            spell = int(events.spell_id[row])
            rows.append(
                (
                    int(events.subject_id[row]),
                    None if spell == NO_SPELL else spell,
                    code,
                    None if number != number else round(number, 4),  # noqa: PLR0124 - NaN
                    f"{to_moment(int(events.time[row])):%Y-%m-%d %H:%M}",
                    f"{to_moment(int(events.recorded_at[row])):%Y-%m-%d %H:%M}",
                )
            )
        return rows

    def refusal(self, mapping: str = MAPPING, **files) -> str:
        """Message of a run that must fail, and leave nothing behind."""
        with pytest.raises(BadInput) as caught:
            self.run(mapping, **files)
        assert caught.value.exit_code == 2
        parent = self.out.parent
        assert not parent.exists() or list(parent.iterdir()) == []
        return str(caught.value)


@pytest.fixture
def bench(tmp_path):
    """Return a bench in a fresh folder."""
    return Bench(tmp_path)
