"""``homeward retrain``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from homeward.output import json_option, reporter, show
from homeward.places import Places


@click.command(epilog="Example: homeward retrain var/trust --if-needed")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--if-needed", is_flag=True, help="Only if the last monitor found a broken limit.")
@click.option(
    "--monitor",
    "found",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What homeward monitor wrote; default: monitor/monitor.json in HOMEWARD_VAR.",
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings (configs/default.toml).")
@json_option
def command(
    data: Path, if_needed: bool, found: Path | None, config: Path | None, as_json: bool
) -> None:
    """Train a challenger on DATA and leave promotion to the gates.

    The new version gets the alias challenger: a service with HOMEWARD_CHALLENGER_URI lets it score
    in the shadow, and homeward promote decides whether it becomes champion.
    """
    from feature_store.dataset import open_dataset
    from training.config import TrainingConfig
    from training.last_model import find_last
    from training.recipe import train
    from training.tracking import Tracker

    places = Places.from_environment()
    found = found or places.settings.var / "monitor" / "monitor.json"
    reasons = _breaches(found) if if_needed else ["asked for"]
    if not reasons:
        text = "Not needed: the last monitor found no broken limit."
        show({"trained": False, "reasons": []}, text, as_json=as_json)
        return
    tracker = Tracker.open(places.artifacts)
    settings = TrainingConfig.read(config) if config else TrainingConfig()
    trained = train(
        open_dataset(data),
        settings,
        tracker=tracker,
        key=places.pseudonym_key(),
        report=reporter(),
        last=find_last(tracker, places.bundles),
    )
    tracker.name_challenger(trained.version)
    told = {
        "trained": True,
        "version": trained.version,
        "run_id": trained.run_id,
        "reasons": reasons,
    }
    lines = [
        f"Version {trained.version} is the challenger. Why: {'; '.join(reasons)}",
        f"Next: homeward promote {trained.version} --dry-run",
    ]
    show(told, "\n".join(lines), as_json=as_json)


def _breaches(found: Path) -> list[str]:
    """What the last monitor found broken.

    Raises
    ------
    BadInput
        There is no such file, or it is not of a monitor.
    """
    from feature_store.errors import BadInput

    try:
        told = json.loads(found.read_text(encoding="utf-8"))
        return [one["text"] for one in told["findings"] if one["state"] == "breach"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"{found.name}: the JSON that homeward monitor writes expected "
            f"({type(error).__name__}); run homeward monitor first"
        )
        raise BadInput(msg) from error
