"""The peers, in the order they are shown."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from benchmarks.peers.automl import fit_automl
from benchmarks.peers.boosting import (
    ORDINARY,
    REGULARISED,
    fit_catboost,
    fit_histogram,
    fit_xgboost,
    lightgbm_with,
)
from benchmarks.peers.peer import Peer
from benchmarks.peers.regression import STRENGTHS, fit_regression
from benchmarks.peers.survival import fit_survival

_TREES: Final = (25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0)

PEERS: Final = (
    Peer(
        name="LR",
        effort="one-hot categories, scaled numbers and their logarithms, missing indicators; "
        "ridge chosen",
        sizes=STRENGTHS,
        fit=fit_regression,
        staged=False,
        library="sklearn",
    ),
    Peer(
        name="HistGB",
        effort="native categories (the commonest 254), rate .05, 15 leaves of 100, l2 30, half of "
        "the columns a split; trees chosen",
        sizes=_TREES,
        fit=fit_histogram,
        staged=True,
        library="sklearn",
    ),
    Peer(
        name="XGBoost",
        effort="native categories, rate .05, depth 6, l2 30, rows .8, columns .7; trees chosen",
        sizes=_TREES,
        fit=fit_xgboost,
        staged=True,
        library="xgboost",
    ),
    Peer(
        name="CatBoost",
        effort="native ordered categories, rate .08, depth 6; trees chosen",
        sizes=_TREES,
        fit=fit_catboost,
        staged=True,
        library="catboost",
    ),
    Peer(
        name="LightGBM, ordinary",
        effort="native categories, rate .05, 31 leaves of 50; trees chosen",
        sizes=_TREES,
        fit=lightgbm_with(ORDINARY),
        staged=True,
        library="lightgbm",
    ),
    Peer(
        name="LightGBM, regularised",
        effort="native categories with Homeward's smoothing, rate .05, 31 leaves of 100, l2 30, "
        "half of the columns a tree; trees chosen",
        sizes=_TREES,
        fit=lightgbm_with(REGULARISED),
        staged=True,
        library="lightgbm",
    ),
    Peer(
        name="SurvivalBoost",
        effort="competing risks of leaving and dying; categories by cross-fitted mean stay, "
        "rate .05, 15 leaves of 100; 100 trees, 3 horizons a spell and tree",
        sizes=(100.0,),
        fit=fit_survival,
        staged=True,
        library="hazardous",
    ),
    Peer(
        name="FLAML",
        effort="chooses learner and settings by itself, 60 trials a fit; 7 days only",
        sizes=(60.0,),
        fit=fit_automl,
        staged=True,
        library="flaml",
        horizons=(7,),
    ),
)


def add_peers(parser: ArgumentParser, *more: str) -> None:
    """Let a command name some peers instead of all."""
    names = [*(peer.name for peer in PEERS), *more]
    parser.add_argument("--peers", nargs="+", choices=names, default=[], help="these only")


def chosen_peers(names: Sequence[str], *, quick: bool) -> tuple[Peer, ...]:
    """Peers of these names, all if none; a quick run searches less."""
    chosen = [peer for peer in PEERS if not names or peer.name in names]
    return tuple(
        replace(peer, sizes=(5.0,)) if quick and peer.library == "flaml" else peer
        for peer in chosen
    )
