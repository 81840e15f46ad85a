"""Plots of an evaluation as PNG files: reliability, ROC, precision and recall."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from models.judging.estimate import Float64

_LABELS: Final = {
    "model": "Homeward",
    "lr": "logistic regression",
    "rule": "age-and-method rule",
    "hfrs": "frailty risk score",
    "champion": "last model",
}
_COLOURS: Final = {
    "model": "#005eb8",
    "lr": "#78be20",
    "rule": "#7c2855",
    "hfrs": "#ed8b00",
    "champion": "#425563",
}
_DOTS: Final = 110
_POINTS: Final = 400

Chances = Mapping[str, Float64]


def draw_plots(
    folder: Path, *, days: int, target: Float64, chances: Chances, points: list[dict[str, Any]]
) -> dict[str, Path]:
    """Draw the plots of one horizon.

    Parameters
    ----------
    folder : Path
    days : int
        The horizon.
    target : ndarray of float64, shape (n,)
        1, 0, or NaN: left out.
    chances : mapping of str to ndarray
        Probabilities of ``model`` and of baselines.
    points : list of dict
        Of the reliability curve (:func:`models.judging.reliability.curve`).

    Returns
    -------
    dict of str to Path
        By what is drawn.
    """
    known = ~np.isnan(target)
    kept = {name: chance[known] for name, chance in chances.items()}
    drawings: dict[str, Callable[[Axes], None]] = {
        "reliability": lambda axes: _reliability(axes, points),
        "roc": lambda axes: _roc(axes, target[known], kept),
        "precision_recall": lambda axes: _precision_recall(axes, target[known], kept),
    }
    return {
        name: _save(folder / f"{name}_{days}.png", days, draw) for name, draw in drawings.items()
    }


def _save(path: Path, days: int, draw: Callable[[Axes], None]) -> Path:
    figure = Figure(figsize=(4.8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(f"Length of stay of {days} midnights or more", fontsize=10)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=_DOTS, metadata={"Software": None})
    return path


def _reliability(axes: Axes, points: list[dict[str, Any]]) -> None:
    most = max([point["chance"] for point in points] + [point["share"] for point in points] + [0.1])
    axes.plot(
        [0, most], [0, most], color="#768692", linestyle="--", linewidth=1, label="as it should be"
    )
    axes.plot(
        [point["chance"] for point in points],
        [point["share"] for point in points],
        marker="o",
        color=_COLOURS["model"],
        label="ten groups of equal size",
    )
    axes.set(xlabel="mean chance given", ylabel="share that stayed so long")
    axes.legend(fontsize=8)


def _roc(axes: Axes, target: Float64, chances: Chances) -> None:
    for name, chance in chances.items():
        false, true, _ = roc_curve(target, chance)
        axes.plot(*_thin(false, true), label=_LABELS.get(name, name), color=_COLOURS.get(name))
    axes.plot([0, 1], [0, 1], color="#768692", linestyle="--", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    axes.legend(fontsize=8)


def _precision_recall(axes: Axes, target: Float64, chances: Chances) -> None:
    for name, chance in chances.items():
        precision, recall, _ = precision_recall_curve(target, chance)
        axes.plot(
            *_thin(recall, precision), label=_LABELS.get(name, name), color=_COLOURS.get(name)
        )
    axes.axhline(float(target.mean()), color="#768692", linestyle="--", linewidth=1)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1))
    axes.legend(fontsize=8)


def _thin(first: Float64, second: Float64) -> tuple[Float64, Float64]:
    """At most a few hundred points: a plot must not carry one point a patient."""
    rows = np.unique(np.linspace(0, first.size - 1, min(first.size, _POINTS)).astype(np.intp))
    return first[rows], second[rows]
