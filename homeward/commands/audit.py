"""``homeward audit``: prove the record, replay a score, export it, delete by schedule."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from feature_store.errors import BadInput, Refused
from homeward.output import json_option, show

if TYPE_CHECKING:
    from service.record.account import AuditRow
    from service.record.chain import Head
    from service.record.verification import Proof
    from service.settings import Settings

_DAY_US = 86_400_000_000
_EVER = (1 << 62) - 1


@click.group(epilog="Example: homeward audit verify  (each: homeward audit COMMAND --help)")
def command() -> None:
    """Prove, replay, export and thin out the record of HOMEWARD_DATABASE_URL."""


def _settings() -> Settings:
    from service.settings import Settings

    return Settings.from_environment(os.environ)


# ---- verify --------------------------------------------------------------------------------------


@command.command(epilog="Example: homeward audit verify --json > heads-2026-01-14.json")
@click.option(
    "--heads",
    type=click.Path(path_type=Path),
    help="What an earlier verify --json printed, kept elsewhere: finds an end that was cut off.",
)
@json_option
def verify(heads: Path | None, as_json: bool) -> None:
    """Prove every chain; exit code 3 and the first row that does not fit, if one does not.

    The heads printed are the last row of each chain. Keep them where whoever can write to the
    database cannot: a later verify --heads then proves that nothing up to them was taken away.
    """
    from feature_store.live.database import open_engine
    from service.record.verification import verify as prove

    engine = open_engine(_settings().database)
    try:
        proof = prove(engine, kept=_kept(heads))
    finally:
        engine.dispose()
    show(_proof_document(proof), _proof_text(proof), as_json=as_json)
    if proof.faults:
        raise Refused([f"the record does not fit: {proof.faults[0]}"])


def _kept(file: Path | None) -> list[Head]:
    from service.record.verification import heads_in

    if file is None:
        return []
    try:
        return heads_in(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # what msgspec raises is a ValueError
        msg = f"{file.name}: the JSON of homeward audit verify expected ({type(error).__name__})"
        raise BadInput(msg) from error


def _proof_document(proof: Proof) -> dict[str, Any]:
    return {
        "sound": not proof.faults,
        "chains": proof.chains,
        "rows": proof.rows,
        "deleted_by_schedule": proof.deleted,
        "without_details": proof.without_details,
        "faults": proof.faults,
        "heads": [[head.entry, head.hash] for head in proof.heads],
    }


def _proof_text(proof: Proof) -> str:
    lines = [
        f"{proof.chains} chains, {proof.rows} rows that fit, {proof.deleted} deleted by schedule"
    ]
    lines += [f"DOES NOT FIT: {fault}" for fault in proof.faults]
    lines += (
        ["Heads, to be kept elsewhere (--json writes them for --heads):"] if proof.heads else []
    )
    lines += [f"  {head.entry} {head.hash}" for head in proof.heads]
    return "\n".join(lines)


# ---- replay --------------------------------------------------------------------------------------


@command.command(epilog="Example: homeward audit replay 019bb9f6-5b00-7c41-9d4e-2f5a7b1c8e90")
@click.argument("score_id")
@click.option("--model", metavar="URI", help="Default: the version on the record, in the registry.")
@json_option
def replay(score_id: str, model: str | None, as_json: bool) -> None:
    """Compute a past score again from the record and compare it to the last bit.

    Exit code 3 if a field differs, the features are no longer kept, or the model is another.
    """
    from homeward.places import Places
    from models.bundle import load_bundle
    from models.registry import fetch_registered
    from service.record.replay import replay as compute

    places = Places.from_environment()
    row = _row(places.settings, score_id)
    uri = model or f"models:/{row.model}/{row.model_version}"
    told = fetch_registered(uri, places.bundles)
    done = compute(row, load_bundle(Path(told.path)))
    equal = not done.differing
    said = "equal to the last bit" if equal else f"DIFFERENT in {', '.join(done.differing)}"
    show(
        {"score_id": score_id, "equal": equal, "differing": list(done.differing), "model": uri},
        f"{score_id}: {done.fields} fields compared with {row.model} {row.model_version}: {said}",
        as_json=as_json,
    )
    if not equal:
        raise Refused([f"the score differs in {', '.join(done.differing)}"])


def _row(settings: Settings, score_id: str) -> AuditRow:
    from service.record import Record

    record = Record(settings.database)
    try:
        row = record.score(score_id)
    finally:
        record.close()
    if row is None:
        raise BadInput("SCORE_ID: a score of this record expected, found none of this identifier")
    return row


# ---- export --------------------------------------------------------------------------------------


@command.command(epilog="Example: homeward audit export --out var/scores.csv --since 2026-01-01")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A .csv or .jsonl file."
)
@click.option("--kind", type=click.Choice(["scores", "feedback"]), default="scores")
@click.option("--since", metavar="DATE", help="UTC; default: the beginning.")
@click.option("--until", metavar="DATE", help="UTC, without that day; default: now.")
@json_option
def export(out: Path, kind: str, since: str | None, until: str | None, as_json: bool) -> None:
    """Write scores or feedback with their hashes to a file, without features and reasons.

    Spells and subjects are pseudonyms; handle the file like the database.
    """
    from feature_store.live.database import open_engine
    from service.record.export import export as write

    first, last = _date(since, "--since", 0), _date(until, "--until", _EVER)
    engine = open_engine(_settings().database)
    try:
        count = write(engine, kind, out, since=first, until=last)
    finally:
        engine.dispose()
    show({"out": str(out), "rows": count}, f"{out}: {count} rows", as_json=as_json)


def _date(text: str | None, option: str, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        msg = f"{option}: a date such as 2026-01-14 expected"
        raise BadInput(msg) from error
    return int(moment.timestamp()) * 1_000_000


# ---- retain --------------------------------------------------------------------------------------

_days = click.IntRange(1, 36_500)


@command.command(epilog="Example: homeward audit retain --features 400 --scores 2922 --dry-run")
@click.option("--features", type=_days, help="Days for which features and reasons are kept.")
@click.option("--scores", type=_days, help="Days for which scores are kept.")
@click.option("--feedback", type=_days, help="Days for which feedback is kept.")
@click.option("--messages", type=_days, help="Days for which the text of HL7 messages is kept.")
@click.option("--dry-run", is_flag=True, help="Only say how much would go.")
@json_option
def retain(
    features: int | None,
    scores: int | None,
    feedback: int | None,
    messages: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Delete what is older than its class may be kept; a class that is not named stays whole.

    Each deletion is accounted for on the record, so that verify still proves the rest. There is no
    other way to delete from it.
    """
    days = {"features": features, "scores": scores, "feedback": feedback}
    if all(one is None for one in (*days.values(), messages)):
        raise BadInput("a class and its days expected, such as --features 400; found none")
    now = time.time_ns() // 1000
    gone = {kind: _thin(kind, age, now, dry_run) for kind, age in days.items() if age is not None}
    if messages is not None:
        gone["messages"] = _forget(messages, now, dry_run)
    verb = "would go" if dry_run else "gone"
    text = "\n".join(f"{kind}: {count} {verb}" for kind, count in gone.items())
    show({"dry_run": dry_run, "deleted": gone}, text, as_json=as_json)


def _thin(kind: str, days: int, now: int, dry_run: bool) -> int:
    from feature_store.live.database import open_engine
    from service.record.retention import Kind, drop, due

    engine = open_engine(_settings().database)
    before = now - days * _DAY_US
    try:
        if dry_run:
            return due(engine, Kind(kind), before=before)
        return drop(engine, Kind(kind), before=before, now=now)
    finally:
        engine.dispose()


def _forget(days: int, now: int, dry_run: bool) -> int:
    """Drop the text of HL7 messages, of which the live store keeps what they said."""
    from feature_store.live import open_store

    store = open_store(_settings().database)
    before = now - days * _DAY_US
    try:
        count = store.count_messages(received_before=before)
        if not dry_run:
            store.forget_messages(received_before=before)
    finally:
        store.close()
    return count
