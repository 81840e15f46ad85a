"""The MLflow face scores by column name and refuses what it cannot read."""

import numpy as np
import pandas as pd
import pytest

from feature_store.errors import BadInput
from models.pyfunc import columns_of, predict_frame


@pytest.fixture
def frame(bundle, unseen):
    table = pd.DataFrame(unseen.matrix[:40], columns=list(bundle.model.feature_set.names))
    table["days_so_far"] = unseen.days[:40].astype(float)
    return table


def test_scores_are_the_models(bundle, frame, unseen):
    answer = predict_frame(bundle, frame)
    prediction = bundle.model.predict(unseen.matrix[:40], unseen.days[:40])
    np.testing.assert_array_equal(answer["p_7"], prediction.at_least(7))
    np.testing.assert_array_equal(answer["p50"], prediction.quantile(0.5))
    np.testing.assert_array_equal(answer["p_death"], prediction.died)
    assert (answer["p_7"].fillna(1) >= answer["p_14"].fillna(0)).all()


def test_order_of_columns_and_others_beside_do_not_matter(bundle, frame):
    mixed = frame[frame.columns[::-1]].assign(ward="A")
    mixed.index = mixed.index + 100
    answer = predict_frame(bundle, mixed)
    assert list(answer.index) == list(mixed.index)
    np.testing.assert_array_equal(answer, predict_frame(bundle, frame))


def test_missing_values_are_fine_and_missing_columns_are_not(bundle, frame):
    blank = frame.assign(
        **{name: np.nan for name in bundle.model.feature_set.names if name != "days_so_far"}
    )
    assert predict_frame(bundle, blank)["p_7"].between(0, 1).all()
    with pytest.raises(BadInput, match=r"columns age expected and missing \(1 in all\)"):
        predict_frame(bundle, frame.drop(columns="age"))


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_days_so_far_must_be_known(bundle, frame, value):
    frame.loc[3, "days_so_far"] = value
    with pytest.raises(BadInput, match="days_so_far of 0 or more"):
        predict_frame(bundle, frame)


def test_horizon_passed_is_one(bundle, frame):
    answer = predict_frame(bundle, frame.assign(days_so_far=9.0))
    assert (answer["p_7"] == 1.0).all()


def test_horizon_never_seen_is_unknown(bundle, frame):
    from dataclasses import replace

    model = replace(bundle.model, grid=replace(bundle.model.grid, horizons=(7, 14)))
    answer = predict_frame(replace(bundle, model=model), frame)
    assert answer["p_21"][frame["days_so_far"] < 21].isna().all()


def test_columns_name_days_so_far_once(bundle):
    assert columns_of(bundle).count("days_so_far") == 1
