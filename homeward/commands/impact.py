"""``homeward impact``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from homeward.output import json_option, reporter, show

_EPILOG = "Example: homeward impact data/trust --protocol protocols/stepped_wedge.toml"


@click.command(epilog=_EPILOG)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    "plan",
    required=True,
    type=click.Path(path_type=Path),
    help="What changed, where, when, judged how (protocols/).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A new folder for impact.html and impact.json.",
)
@json_option
def command(data: Path, plan: Path, out: Path | None, as_json: bool) -> None:
    """Did it help? Estimate the effect of a change on DATA, by a protocol agreed beforehand.

    A protocol that cannot answer its question (no controls, overlapping changes, outcomes not due)
    is refused with exit code 3. docs/impact.md says how to read the answer.
    """
    from feature_store.dataset import fresh_folder, open_dataset
    from training.impact.impact_page import impact_page
    from training.impact.protocol import Protocol
    from training.impact.study import evaluate_impact

    protocol = Protocol.read(plan)
    told = evaluate_impact(protocol, open_dataset(data), folder=plan.parent, report=reporter())
    if out is not None:
        with fresh_folder(out) as folder:
            (folder / "impact.html").write_text(impact_page(told), encoding="utf-8")
            content = json.dumps(told, indent=1, allow_nan=False) + "\n"
            (folder / "impact.json").write_text(content, encoding="utf-8")
    show(told, "\n".join(_lines(told, out)), as_json=as_json)


def _lines(told: dict[str, Any], out: Path | None) -> list[str]:
    from training.impact.impact_page import SYNTHETIC, interval_text, number, verdict
    from training.summary import aligned

    outcomes = told["outcomes"].values()
    rows = [("", "before", "effect (95 %)", "p", "bare after minus before")]
    rows += [
        (
            one["label"],
            number(one["mean_before"]),
            interval_text(one),
            f"{one['p_value']:.3f}",
            number(one["naive_before_after"]),
        )
        for one in outcomes
        if "refused" not in one
    ]
    lines = [SYNTHETIC] if told["synthetic"] else []
    lines += [verdict(told["outcomes"][told["primary"]]), "", *aligned(rows), ""]
    lines += [
        f"Not estimated: {one['label']}: {one['refused']}" for one in outcomes if "refused" in one
    ]
    lines += [f"Limit: {limit}" for limit in told["outcomes"][told["primary"]]["limits"]]
    lines += [f"Limit: {limit}" for limit in told["limits"]]
    return [*lines, *([f"Page: {out / 'impact.html'}"] if out else [])]
