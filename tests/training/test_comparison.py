"""Two runs on the rows they share, whatever order they were kept in."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from feature_store.errors import BadInput
from feature_store.snapshots import Snapshots
from models.calibration import expit, logit
from models.judging.metrics import Bootstrap
from training.comparison import better_words, compare
from training.comparison_page import comparison_page
from training.held_out import HeldOutRows, held_out_rows, in_common
from training.judging import judge_bundle
from training.membership import part_rows

KEY = b"k" * 32


def rows(seed, identifiers, *, noise=0.0, flipped=False):
    generator = np.random.default_rng(99)
    chance = generator.random(3000)
    target = (generator.random(3000) < chance).astype(float)
    target[::50] = np.nan
    told = np.clip(chance + np.random.default_rng(seed).normal(0, noise, 3000), 0.001, 0.999)
    if flipped:
        target = 1 - target
    return HeldOutRows(
        row=identifiers,
        patient=identifiers // 2,
        chance={7: told[identifiers]},
        target={7: target[identifiers]},
    )


def test_differences_are_on_common_rows_and_paired():
    first = rows(1, np.arange(0, 2500))
    second = rows(2, np.random.default_rng(0).permutation(np.arange(500, 3000)), noise=0.3)
    compared = compare(first, second)
    assert compared["rows"] == 2000
    told = compared["horizons"]["7"]["auroc"]
    known = ~np.isnan(first.target[7][500:])
    assert told["first"]["value"] == pytest.approx(
        roc_auc_score(first.target[7][500:][known], first.chance[7][500:][known])
    )
    assert told["difference"]["low"] > 0
    assert better_words("auroc", told["difference"]) == "first better"
    assert better_words("brier", compared["horizons"]["7"]["brier"]["difference"]) == "first better"


def test_a_run_against_itself_differs_by_nothing():
    compared = compare(rows(1, np.arange(1000)), rows(1, np.arange(1000)))
    gap = compared["horizons"]["7"]["auroc"]["difference"]
    assert (gap["value"], gap["low"], gap["high"]) == (0.0, 0.0, 0.0)


def test_nothing_in_common_is_refused_with_the_way_out():
    with pytest.raises(BadInput, match="homeward evaluate"):
        compare(rows(1, np.arange(500)), rows(1, np.arange(1000, 1500)))


def test_outcomes_that_changed_are_refused():
    with pytest.raises(BadInput, match="the same outcomes at 7"):
        compare(rows(1, np.arange(1000)), rows(1, np.arange(1000), flipped=True))


def test_written_rows_hold_numbers_that_only_the_key_explains(tmp_path):
    snapshots = Snapshots(*(np.arange(5, dtype=np.int64) + 1000 * at for at in range(4)))
    chance, target = {7: np.linspace(0, 1, 5)}, {7: np.array([0, 1, np.nan, 0, 1.0])}
    kept = held_out_rows(snapshots, chance, target, key=b"k" * 32)
    again = held_out_rows(snapshots, chance, target, key=b"k" * 32)
    other = held_out_rows(snapshots, chance, target, key=b"o" * 32)
    assert in_common(kept, again)[0].size == 5
    assert in_common(kept, other)[0].size == 0
    assert not set(kept.patient) & set(snapshots.subject_id)
    kept.write(tmp_path / "rows.parquet")
    read = HeldOutRows.read(tmp_path / "rows.parquet")
    assert (np.diff(read.row) > 0).all()
    here, there = in_common(kept, read)
    np.testing.assert_array_equal(kept.chance[7][here], read.chance[7][there])
    np.testing.assert_array_equal(kept.target[7][here], read.target[7][there])


def test_another_file_is_refused(tmp_path):
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(BadInput, match="held-out predictions expected"):
        HeldOutRows.read(tmp_path / "rows.parquet")


def test_no_clear_difference_is_said_so():
    assert better_words("auroc", {"value": 0.0, "low": -0.1, "high": 0.1}) == "no clear difference"
    assert better_words("calibration_slope", {"value": 0.2, "low": 0.1, "high": 0.3}) == ""
    assert better_words("brier", {"value": 0.2, "low": None, "high": None}) == ""


@pytest.fixture(scope="module")
def by_group(trained):
    """The shared run's held-out rows beside a worse model's, parted by what the data say."""
    _, data, made = trained
    bundle = made.bundle
    found, _ = judge_bundle(bundle, data, key=KEY, report=lambda _line: None)
    own = found.rows
    noise = np.random.default_rng(5).normal(0, 1.5, own.row.size)
    worse = {days: expit(logit(chance) + noise) for days, chance in own.chance.items()}
    parted = partial(part_rows, dataset=data, key=KEY)
    other = HeldOutRows(own.row, own.patient, worse, own.target)
    return bundle, parted, compare(own, other, bootstrap=Bootstrap(replicates=40), parted=parted)


def test_groups_are_those_the_model_was_judged_by(by_group):
    bundle, _, compared = by_group
    judged = bundle.evaluation["groups"]["7"]
    for name, groups in compared["groups"]["7"].items():
        assert [row["group"] for row in groups] == [row["group"] for row in judged[name]]
        for row, before in zip(groups, judged[name], strict=True):
            assert (row["rows"], row["patients"]) == (before["rows"], before["patients"])
            if not row["too_few"]:
                auroc = row["metrics"]["auroc"]
                assert auroc["first"]["value"] == pytest.approx(before["metrics"]["auroc"]["value"])
                assert auroc["difference"]["value"] > 0
    assert set(compared["groups"]["7"]) >= {"sex", "ethnicity", "deprivation", "language", "month"}


def test_rows_that_are_not_in_the_data_are_refused(by_group):
    _, parted, _ = by_group
    with pytest.raises(BadInput, match="2 of 2 snapshots are not in them"):
        parted(np.array([1, 2]))


def test_page_shows_differences_by_group_and_says_synthetic(by_group):
    page = comparison_page("one", "<two>", compared=by_group[2], synthetic=True)
    assert "SYNTHETIC DATA" in page
    assert "&lt;two&gt;" in page
    assert "By deprivation quintile" in page
    assert "first better" in page
    assert "AUROC, difference (right of 0: first better)" in page
    assert "Brier score, difference (left of 0: first better)" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "http" not in page
