"""``homeward train``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from feature_store.errors import BadInput
from homeward.output import json_option, reporter, show
from homeward.places import Places

if TYPE_CHECKING:
    from training.config import FirewallSettings
    from training.recipe import Trained
    from training.survey import Engine


@click.command(
    epilog="Example: homeward train var/trust --config configs/default.toml, or "
    "homeward train data/region --features-engine spark --spark-master 'local[8]'"
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="Settings (configs/default.toml).")
@click.option("--hold-out-site", metavar="SITE", help="Keep one site for the test alone.")
@click.option("--trials", type=click.IntRange(min=0), help="Try so many settings; keep the best.")
@click.option(
    "--allow-leak",
    "allowed",
    metavar="FEATURE:REASON",
    multiple=True,
    help="Use a feature that looks like a leak; the reason goes to the run and the card. Repeat.",
)
@click.option(
    "--features-engine",
    "engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where features are computed; the model is the same.",
)
@click.option(
    "--spark-master", metavar="URL", help="Such as local[2]; default: as spark-submit has it."
)
@json_option
def command(  # noqa: PLR0917 - click hands options over by name
    data: Path,
    config: Path | None,
    hold_out_site: str | None,
    trials: int | None,
    allowed: tuple[str, ...],
    engine: str,
    spark_master: str | None,
    as_json: bool,
) -> None:
    """Fit, calibrate and judge a model on DATA, log the run and register a version.

    DATA is a folder that homeward ingest or homeward simulate wrote. The earliest admissions train,
    later ones calibrate, the latest are held out; no patient is on two sides. A feature that looks
    like a leak stops the run with exit 3 and the evidence.
    """
    from feature_store.dataset import open_dataset
    from training.config import TrainingConfig
    from training.last_model import find_last
    from training.recipe import train
    from training.tracking import Tracker

    if spark_master is not None and engine != "spark":
        raise BadInput("--spark-master: --features-engine spark expected beside it")
    settings = TrainingConfig.read(config) if config else TrainingConfig()
    if hold_out_site is not None:
        settings = replace(settings, split=replace(settings.split, hold_out_site=hold_out_site))
    if allowed:
        settings = replace(settings, firewall=_allowing(settings.firewall, allowed))
    if trials is not None:
        settings = replace(settings, tuning=replace(settings.tuning, trials=trials))
    dataset = open_dataset(data)
    places = Places.from_environment()
    tracker = Tracker.open(places.artifacts)
    with _engine(engine, spark_master) as where:
        trained = train(
            dataset,
            settings,
            tracker=tracker,
            key=places.pseudonym_key(),
            report=reporter(),
            last=find_last(tracker, places.bundles),
            engine=where,
        )
    show(_document(trained), _text(trained), as_json=as_json)


@contextmanager
def _engine(name: str, master: str | None) -> Iterator[Engine | None]:
    if name == "local":
        yield None
        return
    from training.spark import open_session, spark_features

    with open_session(master) as session:
        yield partial(spark_features, session)


def _allowing(bounds: FirewallSettings, allowed: tuple[str, ...]) -> FirewallSettings:
    """Settings that also let these features through."""
    pairs = [entry.partition(":")[::2] for entry in allowed]
    more = {name.strip(): reason.strip() for name, reason in pairs}
    return replace(bounds, allow={**bounds.allow, **more})


def _document(trained: Trained) -> dict[str, Any]:
    inner = {"golden", "reference"}  # for the service and the monitor, not for readers
    evaluation = {
        key: value for key, value in trained.bundle.evaluation.items() if key not in inner
    }
    return {
        "run_id": trained.run_id,
        "version": trained.version,
        "synthetic": trained.bundle.provenance["synthetic"],
        "too_small": trained.bundle.provenance["too_small"],
        "figures": dict(trained.figures),
        "cost": dict(trained.cost),
        "evaluation": evaluation,
        "provenance": dict(trained.bundle.provenance),
    }


def _text(trained: Trained) -> str:
    from models.card_findings import warnings_of
    from training.cost import cost_words
    from training.summary import evaluation_lines

    provenance = trained.bundle.provenance
    lines = evaluation_lines(trained.bundle.evaluation, warnings=warnings_of(provenance))
    dropped = [f"{count} spells {why}" for why, count in provenance["dropped"].items() if count]
    lines += [f"Dropped by the split: {', '.join(dropped)}"] if dropped else []
    lines += [
        f"Allowed in spite of a sign of a leak: {leak['feature']} ({leak['sign']})"
        for leak in provenance["leaks"]
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"{cost_words(trained.cost)}.",
            f"Run {trained.run_id}, registered as version {trained.version} of long-stay.",
            f"Next: homeward promote {trained.version}",
        ]
    )
