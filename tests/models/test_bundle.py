"""A model on disk: the same model, or an error."""

import json
from dataclasses import replace

import numpy as np
import pytest

from feature_store.errors import BadInput
from models.bundle import load_bundle, save_bundle

FILES = {
    "exits.txt",
    "deaths.txt",
    "model.json",
    "features.json",
    "card.json",
    "evaluation.json",
    "manifest.json",
}


@pytest.fixture
def folder(bundle, tmp_path):
    """Return a saved bundle."""
    save_bundle(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_loaded_model_answers_to_the_last_bit(bundle, folder, site):
    again = load_bundle(folder)
    before = bundle.model.predict(site.matrix, site.days)
    after = again.model.predict(site.matrix, site.days)
    np.testing.assert_array_equal(before.staying, after.staying)
    np.testing.assert_array_equal(before.died, after.died)
    rows = slice(0, 200)
    said = bundle.model.explain(site.matrix[rows], site.days[rows])
    told = again.model.explain(site.matrix[rows], site.days[rows])
    np.testing.assert_array_equal(said.effects, told.effects)
    np.testing.assert_array_equal(said.base_value, told.base_value)


def test_everything_else_comes_back_too(bundle, folder):
    again = load_bundle(folder)
    assert (again.name, again.scope) == (bundle.name, bundle.scope)
    assert (again.card, again.evaluation) == (bundle.card, bundle.evaluation)
    assert again.provenance == bundle.provenance
    for part in ("feature_set", "encoding", "grid", "calibration", "importance"):
        assert getattr(again.model, part) == getattr(bundle.model, part)


def test_one_model_one_folder_to_the_byte(folder, tmp_path):
    save_bundle(load_bundle(folder), tmp_path / "again")
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_it_is_text_and_json(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    for path in folder.iterdir():
        text = path.read_bytes().decode("utf-8")
        assert "\0" not in text
        if path.suffix == ".json":
            json.loads(text)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("where", [0.0, 0.3, 0.9])
def test_one_byte_changed_is_refused(folder, name, where):
    path = folder / name
    content = bytearray(path.read_bytes())
    at = int(where * len(content))
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput):
        load_bundle(folder)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "longer"])
def test_a_damaged_file_is_refused(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(
            {"empty": b"", "truncated": content[:-2], "longer": content + b"\n"}[damage]
        )
    with pytest.raises(BadInput, match=path.name.replace(".", r"\.")):
        load_bundle(folder)


@pytest.mark.parametrize("key", ["name", "provenance", "feature_set_hash", "sha256", "checksum"])
def test_a_manifest_without_one_of_its_words_is_refused(folder, key):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[key]
    path.write_text(json.dumps(manifest))
    with pytest.raises(BadInput):
        load_bundle(folder)


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"format": NaN}', "not json"])
def test_a_folder_that_is_no_bundle_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match="model bundle expected"):
        load_bundle(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="model bundle expected"):
        load_bundle(tmp_path / "nowhere")


def test_another_format_is_told_apart_from_damage(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format": "1"', '"format": "99"'))
    with pytest.raises(BadInput, match="bundle format 1 expected"):
        load_bundle(folder)


def test_a_bundle_whose_features_this_version_reads_differently_is_refused(folder, monkeypatch):
    """As after an upgrade that changed what a definition hashes to."""
    from feature_store.definitions import FeatureSet

    monkeypatch.setattr(FeatureSet, "hash", "another")
    with pytest.raises(BadInput, match="defines the features differently"):
        load_bundle(folder)


def test_without_deaths_there_is_no_file_of_them(bundle, tmp_path, site):
    alive = replace(bundle, model=replace(bundle.model, death_trees=None))
    save_bundle(alive, tmp_path / "alive")
    assert not (tmp_path / "alive" / "deaths.txt").exists()
    again = load_bundle(tmp_path / "alive")
    assert np.isnan(again.model.predict(site.matrix[:9], site.days[:9]).died).all()


def test_what_cannot_be_written_leaves_nothing_behind(bundle, tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_bundle(replace(bundle, provenance={"auroc": float("nan")}), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_message_names_the_folder_not_where_it_lies(folder):
    (folder / "card.json").unlink()
    with pytest.raises(BadInput) as refused:
        load_bundle(folder)
    assert str(folder.parent) not in str(refused.value)
