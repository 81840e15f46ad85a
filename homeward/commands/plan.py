"""``homeward plan``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from homeward.output import json_option, reporter, show
from homeward.places import Places


@click.command(epilog="Example: homeward plan data/trust --capacity 8 --out var/plan")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model",
    default="models:/long-stay@champion",
    show_default=True,
    help="models:/name@alias, models:/name/version, runs:/id or a bundle's folder.",
)
@click.option(
    "--capacity", default=10, show_default=True, help="Places on the list, a site and day."
)
@click.option(
    "--acted-on",
    nargs=2,
    type=float,
    default=(0.3, 0.7),
    show_default=True,
    metavar="LOW HIGH",
    help="Assumed share of long stays listed for whom something is done.",
)
@click.option(
    "--nights-saved",
    nargs=2,
    type=float,
    default=(0.0, 2.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Assumed nights saved for each of them.",
)
@click.option(
    "--pounds",
    nargs=2,
    type=float,
    default=(395.0, 562.0),
    show_default=True,
    metavar="LOW HIGH",
    help="What a bed day is worth.",
)
@click.option("--seed", default=1, show_default=True, help="Of the simulations of power.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="A new folder for plan.html and plan.json."
)
@json_option
def command(
    *,
    data: Path,
    model: str,
    capacity: int,
    acted_on: tuple[float, float],
    nights_saved: tuple[float, float],
    pounds: tuple[float, float],
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Before go-live: what a daily list would bring on DATA, the site's own.

    How many names a day, how many long stays reached and how early, whose are missed, bed days
    under stated assumptions, and the smallest effect a roll-out could show.
    """
    from feature_store.dataset import fresh_folder, open_dataset
    from models.bundle import load_bundle
    from models.registry import fetch_registered
    from training.impact.impact_page import SYNTHETIC
    from training.impact.plan import Assumptions, Wishes, plan_golive
    from training.impact.plan_page import plan_page, summary
    from training.impact.protocol import Money

    assumptions = Assumptions(
        acted_on=acted_on, nights_saved=nights_saved, money=Money(low=pounds[0], high=pounds[1])
    )
    wishes = Wishes(capacity=capacity, assumptions=assumptions, seed=seed)
    dataset = open_dataset(data)
    fetched = fetch_registered(model, Places.from_environment().bundles)
    told = plan_golive(load_bundle(Path(fetched.path)), dataset, wishes, report=reporter())
    if out is not None:
        with fresh_folder(out) as folder:
            (folder / "plan.html").write_text(plan_page(told), encoding="utf-8")
            content = json.dumps(told, indent=1, allow_nan=False) + "\n"
            (folder / "plan.json").write_text(content, encoding="utf-8")
    lines = [SYNTHETIC] if told["synthetic"] else []
    lines += [f"- {line}" for line in summary(told)]
    lines += [f"Page: {out / 'plan.html'}"] if out else []
    show(told, "\n".join(lines), as_json=as_json)
