"""``homeward score``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feature_store.errors import BadInput
from homeward.output import json_option, reporter, show
from homeward.places import Places

if TYPE_CHECKING:
    from training.batch import Engine


@click.command(
    epilog="Example: homeward score var/trust --at 2026-09-01T06:00+01:00 --out var/scores.csv"
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--at", metavar="TIME", required=True, help="ISO 8601 with an offset.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A file, .csv or .parquet."
)
@click.option("--model", metavar="URI", help="Default: HOMEWARD_MODEL_URI, or the champion.")
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where the shards are scored; the rows are the same.",
)
@click.option(
    "--spark-master", metavar="URL", help="Such as local[2]; default: as spark-submit has it."
)
@json_option
def command(  # noqa: PLR0917 - click hands options over by name
    data: Path,
    at: str,
    out: Path,
    model: str | None,
    engine: str,
    spark_master: str | None,
    as_json: bool,
) -> None:
    """One row per inpatient of DATA at a moment, with what was known then.

    Refused spells are there too, with the reason and without numbers. The file holds the spell and
    subject numbers of the dataset: handle it like the dataset.
    """
    from feature_store.dataset import open_dataset
    from models.bundle import load_bundle
    from models.registry import fetch_registered
    from training.batch import score_inpatients

    if spark_master is not None and engine != "spark":
        raise BadInput("--spark-master: --engine spark expected beside it")
    moment, dataset, places = _moment(at), open_dataset(data), Places.from_environment()
    told = fetch_registered(model or places.settings.model_uri, places.bundles)
    bundle = load_bundle(Path(told.path))
    with _engine(engine, spark_master) as where:
        batch = score_inpatients(
            bundle, dataset, at=moment, out=out, report=reporter(), engine=where
        )
    refused = "".join(f"\n  {count} refused: {why}" for why, count in batch.refused.items())
    synthetic = "SYNTHETIC DATA. " if dataset.manifest.synthetic else ""
    show(
        {"out": str(out), "model": {"name": told.name, "version": told.version}, **asdict(batch)},
        f"{synthetic}{out}: {batch.scored} inpatients scored with {told.name} "
        f"{told.version}{refused}",
        as_json=as_json,
    )


@contextmanager
def _engine(name: str, master: str | None) -> Iterator[Engine]:
    if name == "local":
        from training.batch import local_engine

        yield local_engine
        return
    from training.spark import open_session, spark_engine

    with open_session(master) as session:
        yield partial(spark_engine, session)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("--at: ISO 8601 expected, such as 2026-09-01T06:00+01:00") from error
    if moment.tzinfo is None:
        raise BadInput("--at: an offset expected, such as Z or +01:00; found none")
    return moment
