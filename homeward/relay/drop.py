"""A dataset drop: today's worklist as CSV and Parquet, with what its columns mean.

Each drop is a folder of its own that appears whole, by one rename, and is never changed after. No
public interface takes scores into OPTICA or the Federated Data Platform; what their canonical model
calls the same thing is in the dictionary, for whoever maps it there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from feature_store.errors import BadInput
from homeward.client import Problem, Unreachable
from homeward.relay.columns import CANONICAL_MODEL, COLUMNS, Column
from homeward.relay.tracker import Kind, Notice, Outcome, Reply

Json = Mapping[str, Any]
SCHEMA_VERSION: Final = 1
PREFIX: Final = "worklist-"
KEPT: Final = 14
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Drop:
    """A folder that drops are put into.

    Parameters
    ----------
    name : str
    folder : Path
    ask : callable
        Gives the worklist (:func:`ask_service`).
    keep : int
        How many drops stay; older ones are deleted, for they hold patients' data.
    """

    name: str
    folder: Path
    ask: Callable[[], Json]
    keep: int = KEPT

    def wants(self, notice: Notice) -> bool:
        """Whether there is a list to fetch."""
        return notice.kind == Kind.READY

    def tell(self, _notice: Notice) -> Reply:
        """Fetch the list as it is now and put it there."""
        try:
            self.put()
        except (OSError, Problem, Unreachable) as error:
            return Reply(Outcome.AGAIN, type(error).__name__)
        return Reply(Outcome.TAKEN)

    def put(self) -> Path:
        """Write a drop and return its folder; one of the same moment stays as it is.

        Raises
        ------
        BadInput
            The folder cannot be written.
        """
        answer = self.ask()
        moment = datetime.fromisoformat(answer["at"]).astimezone(UTC)
        made = self.folder / f"{PREFIX}{moment:%Y%m%dT%H%M%SZ}"
        if made.exists():
            return made
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=self.folder))
        except OSError as error:
            msg = f"{self.folder.name}: a folder to write to expected ({type(error).__name__})"
            raise BadInput(msg) from None
        try:
            _write(beside, answer)
            beside.rename(made)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._forget()
        return made

    def _forget(self) -> None:
        drops = sorted(one for one in self.folder.iterdir() if one.name.startswith(PREFIX))
        for old in drops[: -self.keep]:
            shutil.rmtree(old)


def ask_service(get: Callable[[str], Json]) -> Json:
    """Today's worklist, and whether it is of made-up patients or by a model that learnt from them.

    Parameters
    ----------
    get : callable
        Answer of an address of the service (``Client.get``).
    """
    trained = get("v1/model")["trained_on"]
    checks = get("health/ready").get("checks", [])
    is_replay = any(one["name"] == "clock" for one in checks)
    return {**get("v1/worklist"), "synthetic": bool(trained.get("synthetic")) or is_replay}


def rows_of(answer: Json) -> list[dict[str, Any]]:
    """One row for each inpatient by the columns of :data:`COLUMNS`, in the order of the list."""
    common = {name: answer[name] for name in ("at", "synthetic")}
    common["model_version"] = answer["model"]["version"]
    inpatients = [*answer["entries"], *answer["refused"]]
    return [{one.name: one.of({**row, **common}) for one in COLUMNS} for row in inpatients]


# ---- files ---------------------------------------------------------------------------------------


def _write(folder: Path, answer: Json) -> None:
    rows = rows_of(answer)
    dictionary = {"schema_version": SCHEMA_VERSION, "canonical_model": CANONICAL_MODEL}
    dictionary["columns"] = [_described(column) for column in COLUMNS]
    contents = {
        "worklist.csv": _csv(rows).encode(),
        "worklist.parquet": _parquet(rows),
        "dictionary.json": json.dumps(dictionary, indent=2).encode(),
        "dictionary.md": _page().encode(),
    }
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "at": answer["at"],
        "model": answer["model"],
        "synthetic": answer["synthetic"],
        "stale": answer["data"]["stale"],
        "newest_recorded_at": answer["data"]["newest_recorded_at"],
        "rows": len(rows),
        "scored": len(answer["entries"]),
        "refused": len(answer["refused"]),
        "files": files,
    }
    contents["manifest.json"] = json.dumps(manifest, indent=2).encode()
    for name, content in contents.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _described(column: Column) -> dict[str, str | None]:
    return {
        "name": column.name,
        "type": column.kind,
        "meaning": column.meaning,
        "missing_means": column.missing or None,
        "canonical": column.canonical or None,
    }


def _page() -> str:
    head = (
        f"# The columns of a worklist drop\n\nSchema version {SCHEMA_VERSION}. One row for each "
        "inpatient, scored or refused. The last column names the same property in the published "
        f"FDP canonical model ({CANONICAL_MODEL}); it is a reading of ours, agreed with nobody.\n"
        "In the CSV file a text that a spreadsheet would take for a formula begins with an "
        "apostrophe.\n\n| column | type | meaning | missing means | canonical model |\n"
        "|---|---|---|---|---|\n"
    )
    lines = (
        f"| `{one.name}` | {one.kind} | {one.meaning} | {one.missing or 'never missing'} | "
        f"{one.canonical} |\n"
        for one in COLUMNS
    )
    return head + "".join(lines)


def _csv(rows: Sequence[Json]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in COLUMNS])
    writer.writerows([[_cell(row[column.name]) for column in COLUMNS] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """One cell; text of a feed must not become a formula where somebody opens the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _parquet(rows: Sequence[Json]) -> bytes:
    import pyarrow as pa  # a relay of webhooks alone does without it
    import pyarrow.parquet as pq

    kinds = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "moment": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(
        [pa.field(one.name, kinds[one.kind], metadata={"meaning": one.meaning}) for one in COLUMNS]
    )
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file, compression="zstd")
    return file.getvalue()
