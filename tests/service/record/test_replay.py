"""A past score computed again is the same to the last bit, alone as in its batch."""

import msgspec
import numpy as np
import pytest

from feature_store.definitions import Read
from feature_store.errors import Refused
from models.bundle import load_bundle
from models.scoring import forecast
from service.record import About, Answer, Record, account
from service.record.replay import replay


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    """The tiny model."""
    return load_bundle(bundle_folder)


def rows_of(bundle, count, *, reasons):
    """Accounts of a batch of patients of nobody, about whom different things are missing."""
    chance = np.random.default_rng(5)
    width = len(bundle.model.feature_set)
    matrix = chance.integers(1, 7, (count, width)).astype(np.float64)
    matrix[chance.random(matrix.shape) < 0.4] = np.nan
    for column, feature in enumerate(bundle.model.feature_set.features):
        if feature.read is Read.CATEGORY:
            matrix[:, column] = chance.integers(0, len(feature.codes), count)
    days = chance.integers(0, 25, count)
    answer = Answer(
        caller="hub",
        request_id="r",
        route="/v1/scores",
        answered_at=1,
        latency_us=1,
        prediction_time=1,
        model="long-stay",
        model_version="1",
        model_hash=bundle.checksum,
        feature_set_hash=bundle.model.feature_set.hash,
    )
    told = forecast(bundle.model, matrix, days, reasons=reasons)
    return [
        account(answer, About(spell), one, score_id=f"s{spell}") for spell, one in enumerate(told)
    ]


@pytest.mark.parametrize("reasons", [5, None, 1])
def test_each_of_a_batch_is_the_same_alone(bundle, reasons):
    for row in rows_of(bundle, 60, reasons=reasons):
        done = replay(row, bundle)
        assert done.differing == ()
        assert done.fields > 20


@pytest.mark.parametrize(
    "changed",
    [
        {"probability_7": 0.123},
        {"base_value": 0.5},
        {"completeness": 0.01},
        {"discharge_p50": 99},
        {"missing": "NEWS2 NEWS2"},
        {"reasons": b"[]"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_field_that_differs_is_named(bundle, changed):
    (row,) = rows_of(bundle, 1, reasons=5)
    done = replay(msgspec.structs.replace(row, **changed), bundle)
    assert done.differing == tuple(changed)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"refused": "out_of_scope"}, "a refusal"),
        ({"features": None}, "no longer kept"),
        ({"model_hash": "other"}, "another model"),
        ({"feature_set_hash": "other"}, "another model"),
    ],
)
def test_what_cannot_be_replayed_is_refused(bundle, changed, why):
    (row,) = rows_of(bundle, 1, reasons=5)
    with pytest.raises(Refused, match=why):
        replay(msgspec.structs.replace(row, **changed), bundle)


def test_what_the_service_answered_can_be_replayed(client, request_body, settings, bundle):
    for query in ("", "?reasons=all"):
        told = client.post(f"/v1/scores{query}", json=request_body).json()["scores"][0]
        record = Record(settings.database)
        row = record.score(told["score_id"])
        record.close()
        assert row.model_hash == bundle.checksum
        assert replay(row, bundle).differing == ()
        assert row.probability_7 == told["probability"]["7"]
