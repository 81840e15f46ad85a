"""What a run leaves in MLflow, written to one folder and logged from there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from feature_store.vocabulary import LEAVING_WITHIN, LONG_STAY_DAYS
from models.bundle import Bundle, save_bundle
from models.card_page import card_page
from models.judging.estimate import Float64
from training.evaluate import figures_of
from training.held_out import FILE, HeldOutRows
from training.plots import draw_plots
from training.provenance import versions
from training.report import report_page
from training.run import Run

DAYS_SO_FAR: Final = "days_so_far"
OUTPUTS: Final = (
    *(f"p_{days}" for days in LONG_STAY_DAYS),
    *("p10", "p50", "p90", "p_death"),
    *(f"p_leaving_{name}" for name in LEAVING_WITHIN),
)
"""Columns that :mod:`models.pyfunc` answers with."""

_LONGEST_TAG: Final = 4000
"""Of the 5,000 characters that MLflow keeps of a tag."""

_PINNED: Final = ("numpy", "pandas", "mlflow")
"""Homeward itself is installed beside a model; it comes from no index."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What a run found.

    Parameters
    ----------
    bundle : Bundle
        The model that was judged.
    evaluation : mapping
        Of this run.
    rows : HeldOutRows
        The model's predictions, keyed.
    chances : mapping of int to mapping of str to ndarray
        By horizon, of ``model`` and baselines, for the plots.
    target : mapping of int to ndarray
        By horizon: 1, 0 or NaN.
    """

    bundle: Bundle
    evaluation: Mapping[str, Any]
    rows: HeldOutRows
    chances: Mapping[int, Mapping[str, Float64]]
    target: Mapping[int, Float64]


def publish_findings(run: Run, findings: Findings) -> None:
    """Log figures, plots, card, report and held-out predictions."""
    run.log_figures(figures_of(findings.evaluation))
    with tempfile.TemporaryDirectory(prefix="homeward.") as aside:
        _write_files(Path(aside), findings)
        run.log_files(Path(aside))


def publish_model(run: Run, bundle: Bundle, more: Mapping[str, str] | None = None) -> str:
    """Log the bundle and register it as a version, with ``more`` tags; return its number."""
    provenance = bundle.provenance
    tags = {
        **(more or {}),
        "homeward.synthetic": str(provenance["synthetic"]).lower(),
        **{
            f"homeward.{key}": str(provenance[key])
            for key in ("data_hash", "features_hash", "config_hash", "code", "seed")
        },
        **_leak_tags(provenance["leaks"]),
        **({"homeward.too_small": small} if (small := provenance["too_small"]) else {}),
    }
    run.set_tags(tags)
    with tempfile.TemporaryDirectory(prefix="homeward.") as aside:
        folder = Path(aside) / "bundle"
        save_bundle(bundle, folder)
        told = versions()
        pins = [f"{name}=={told[name]}" for name in _PINNED]
        run.log_model(folder, columns=columns_of(bundle), outputs=OUTPUTS, pins=pins)
    return run.register(tags, description=_description(provenance))


def _leak_tags(leaks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Features used in spite of a sign of a leak; nothing where there is none."""
    names = sorted({leak["feature"] for leak in leaks})
    return {"homeward.leaks_allowed": ", ".join(names)[:_LONGEST_TAG]} if names else {}


def columns_of(bundle: Bundle) -> tuple[str, ...]:
    """Columns the pyfunc face expects: the features, and the days so far."""
    names = bundle.model.feature_set.names
    return names if DAYS_SO_FAR in names else (*names, DAYS_SO_FAR)


def _description(provenance: Mapping[str, Any]) -> str:
    told = f"Trained on {provenance['source']}, {sum(provenance['spells'].values())} spells."
    warnings = [
        f"{what}, not for patients."
        for what, told_so in (("SYNTHETIC DATA", "synthetic"), ("TOO SMALL A SAMPLE", "too_small"))
        if provenance[told_so]
    ]
    return " ".join([*warnings, told])


def _write_files(folder: Path, findings: Findings) -> None:
    bundle, evaluation = findings.bundle, findings.evaluation
    (folder / "plots").mkdir()
    plots = {
        str(days): draw_plots(
            folder / "plots",
            days=days,
            target=findings.target[days],
            chances=chances,
            points=evaluation["horizons"][str(days)]["curve"],
        )
        for days, chances in findings.chances.items()
    }
    report = report_page(
        f"Evaluation of {bundle.name}", card=bundle.card, evaluation=evaluation, plots=plots
    )
    (folder / "report.html").write_text(report, encoding="utf-8")
    (folder / "card.html").write_text(card_page(bundle.card), encoding="utf-8")
    _write_json(folder / "card.json", bundle.card)
    _write_json(folder / "evaluation.json", evaluation)
    _write_json(folder / "provenance.json", bundle.provenance)
    findings.rows.write(folder / FILE)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    text = json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"
    path.write_text(text, encoding="utf-8")
