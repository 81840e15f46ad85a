"""The huddle sheet: a ranked list that fits a page and reads like a ward round."""

from __future__ import annotations

from typing import Any, Final

import click

from homeward.huddle import Huddle

HORIZONS: Final = ("7", "14", "21")


def print_sheet(huddle: Huddle, answer: dict[str, Any], *, rows: int) -> None:
    """Print those most likely to pass their next horizon, with what to act on."""
    model = answer["model"]
    scores = sorted(answer["scores"], key=_rank, reverse=True)
    told = f"{len(scores)} inpatients scored, {len(answer['refused'])} out of scope"
    label = "SYNTHETIC " if huddle.synthetic else ""
    click.secho(
        f"{label}WORKLIST  {huddle.at:%A %d %B %Y %H:%M} UTC  ({told}; model {model['version']})",
        bold=True,
    )
    click.echo(
        f"\n{'':>3} {'spell':<14} {'site and ward':<14} {'nights':>6}  "
        f"{'7+':>4} {'14+':>4} {'21+':>4}  {'leaves on day':<13} why"
    )
    for place, score in enumerate(scores[:rows], start=1):
        _print_row(place, score, huddle.wards[score["spell_id"]])


def _rank(score: dict[str, Any]) -> tuple[float, float]:
    ahead = [
        chance
        for days, chance in sorted(score["probability"].items(), key=lambda item: int(item[0]))
        if int(days) > score["days_so_far"] and chance is not None
    ]
    return (ahead[0] if ahead else 0.0, ahead[1] if len(ahead) > 1 else 0.0)


def _print_row(place: int, score: dict[str, Any], where: str) -> None:
    chances = " ".join(f"{_percent(score['probability'].get(days)):>4}" for days in HORIZONS)
    day = score["discharge_day"]
    span = f"{_day(day['p10'])}-{_day(day['p90'])} ({_day(day['p50'])})"
    reasons = "; ".join(
        f"{'+' if reason['direction'] == 'longer' else '-'} {reason['label']}: {reason['value']}"
        for reason in score["reasons"][:3]
    )
    click.echo(
        f"{place:>3} {score['spell_id'][-14:]:<14} {where[:14]:<14} {score['days_so_far']:>6}  "
        f"{chances}  {span:<13} {reasons}"
    )
    actions = dict.fromkeys(reason["action"] for reason in score["reasons"] if reason["action"])
    if actions:
        click.secho(f"{'':>65} > {'; '.join(list(actions)[:2])}", fg="green")


def _percent(chance: float | None) -> str:
    if chance is None:
        return "?"
    return "past" if chance == 1.0 else f"{chance:.0%}"


def _day(day: int | None) -> str:
    return "?" if day is None else str(day)
