"""``homeward ingest``."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feature_store.errors import BadInput
from homeward.output import json_option, reporter, show

if TYPE_CHECKING:
    from feature_store.manifest import Manifest

_FILE = click.Path(path_type=Path)


@click.command(
    epilog="Example: homeward ingest --mapping mappings/uci_diabetes130.toml --out var/uci "
    "diabetic_data.csv.gz"
)
@click.option("--mapping", type=_FILE, help="Mapping file of an extract (docs/mapping.md).")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "fhir", "hl7v2", "meds"]),
    default="table",
    show_default=True,
    help="An extract by a mapping, FHIR R4 bundles and bulk exports (docs/fhir.md), files of HL7 "
    "v2 ADT messages (docs/live.md), or a MEDS dataset by a codebook (docs/meds.md).",
)
@click.option(
    "--codebook",
    type=_FILE,
    help="Codebook of a MEDS dataset (docs/meds.md), or of the codes in ADT messages (docs/live.md;"
    " default HOMEWARD_ADT_CODEBOOK).",
)
@click.option("--out", required=True, type=_FILE, help="A new folder for the event dataset.")
@click.option(
    "--reject-file",
    type=_FILE,
    help="Keep bad rows, or refused messages, apart in this new CSV file instead of stopping. It "
    "holds them as they are, patients' data included, and only its owner can read it.",
)
@click.option(
    "--observed-until",
    metavar="TIME",
    help="When the extract was taken, ISO 8601 with offset: a spell without an end was open then.",
)
@json_option
@click.argument("sources", nargs=-1, required=True, type=_FILE)
def command(  # noqa: PLR0917 - click hands options over by name
    mapping: Path | None,
    kind: str,
    codebook: Path | None,
    out: Path,
    reject_file: Path | None,
    observed_until: str | None,
    as_json: bool,
    sources: tuple[Path, ...],
) -> None:
    """Turn an extract (CSV, CSV.GZ, Parquet), FHIR, ADT messages or MEDS into an event dataset.

    SOURCES are matched to the tables of the mapping by their names. Patient and spell keys that the
    mapping does not keep become keyed hashes; HOMEWARD_PSEUDONYM_KEY_FILE names the secret
    (homeward key makes one). Without it a random one is used once, and the dataset cannot be linked
    to another.
    """
    if kind != "table":
        _refuse(kind, mapping=mapping)
        if kind == "hl7v2":
            _refuse(kind, observed_until=observed_until)
            manifest = _messages(codebook, sources, out, reject_file)
        elif kind == "fhir":
            _refuse(kind, codebook=codebook, reject_file=reject_file)
            manifest = _bundles(sources, out, _moment(observed_until))
        else:
            _refuse(kind, reject_file=reject_file)
            manifest = _meds(codebook, sources, out, _moment(observed_until))
        show(asdict(manifest), _summary(manifest, out, reject_file), as_json=as_json)
        return
    _refuse(kind, codebook=codebook)
    if mapping is None:
        raise click.MissingParameter(param_type="option", param_hint="--mapping")
    from feature_store.ingest import ingest

    manifest = ingest(
        mapping,
        sources,
        out,
        reject_file=reject_file,
        progress=reporter(),
        pseudonym_key=_secret(),
        observed_until=_moment(observed_until),
    )
    show(asdict(manifest), _summary(manifest, out, reject_file), as_json=as_json)


def _messages(
    codebook: Path | None, sources: tuple[Path, ...], out: Path, reject_file: Path | None
) -> Manifest:
    import secrets

    from feature_store.hl7 import Feed
    from feature_store.hl7.archive import ingest_hl7
    from feature_store.hl7.codebook import codebook_of
    from feature_store.identity import Identity
    from service.settings import Settings

    identity = Identity(_secret() or secrets.token_bytes(32))
    known = codebook_of(codebook or Settings.from_environment(os.environ).adt_codebook)
    feed = Feed(codebook=known)
    return ingest_hl7(
        sources,
        out,
        identity=identity,
        now=time.time_ns() // 1000,
        feed=feed,
        reject_file=reject_file,
        progress=reporter(),
    )


def _bundles(sources: tuple[Path, ...], out: Path, until: datetime | None) -> Manifest:
    import secrets

    from feature_store.fhir.archive import ingest_fhir
    from feature_store.identity import Identity

    identity = Identity(_secret() or secrets.token_bytes(32))
    return ingest_fhir(
        sources,
        out,
        identity=identity,
        now=time.time_ns() // 1000,
        observed_until=until,
        progress=reporter(),
    )


def _meds(
    codebook: Path | None, sources: tuple[Path, ...], out: Path, until: datetime | None
) -> Manifest:
    from feature_store.meds import ingest_meds

    if codebook is None:
        raise click.MissingParameter(param_type="option", param_hint="--codebook")
    if len(sources) != 1:
        raise click.UsageError("one folder of a MEDS dataset expected as SOURCE")
    return ingest_meds(
        codebook,
        sources[0],
        out,
        pseudonym_key=_secret(),
        observed_until=until,
        progress=reporter(),
    )


def _refuse(kind: str, **options: object) -> None:
    """Refuse options that mean nothing here: a silent one would be taken for obeyed."""
    given = ["--" + name.replace("_", "-") for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError(f"{', '.join(given)}: not an option of --format {kind}")


def _secret() -> bytes | None:
    from feature_store.identity import read_key
    from service.settings import Settings

    path = Settings.from_environment(os.environ).pseudonym_key_file
    return None if path is None else read_key(path)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("--observed-until: ISO 8601 expected, such as 2026-01-31T00:00Z") from error
    if moment.tzinfo is None:
        raise BadInput("--observed-until: an offset expected, such as Z or +01:00; found none")
    return moment


def _summary(manifest: Manifest, out: Path, reject_file: Path | None) -> str:
    counts = manifest.counts
    told = {
        "events": counts["events"],
        "spells": counts["spells"],
        "patients": counts["subjects"],
        "deaths": counts["deaths"],
        "spells still open": counts["open_spells"],
        "rows that gave no event": counts["unused_rows"],
        **{name: count for name, count in counts.items() if name.startswith("unused: ")},
    }
    if reject_file is not None:
        told[f"rows rejected, in {reject_file.name}"] = counts["rejected_rows"]
        if "rejected_spells" in counts:
            told["spells rejected with them"] = counts["rejected_spells"]
    lines = [f"{number:>13,}  {name}" for name, number in told.items()]
    return "\n".join([f"{out} (clock: {manifest.clock})", *lines])
