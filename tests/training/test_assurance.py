"""The assurance pack says what is shown, and marks what is not."""

import json
import re

import pytest

from feature_store.errors import BadInput
from feature_store.vocabulary import FAMILIES, family_of
from homeward.assurance import trace
from homeward.assurance.hazards import hazards
from homeward.assurance.items import TABLES, State, items_of, read_table
from homeward.assurance.pack import TITLES, Subject, make_pack, write_pack
from homeward.assurance.register import field_register
from homeward.shell import run
from models.bundle import load_bundle, save_bundle


@pytest.fixture(scope="module")
def bundle_folder(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("assured") / "bundle"
    save_bundle(trained[2].bundle, folder)
    return folder


@pytest.fixture
def subject(bundle_folder):
    bundle = load_bundle(bundle_folder)
    return Subject(
        bundle=bundle,
        version=None,
        gates=None,
        card=bundle.card,
        software="0",
        at="2026-01-01T00:00:00+00:00",
    )


def test_the_trace_is_that_of_the_tree():
    assert (TABLES / trace.FILE).read_text() == trace.text()


def test_documents_named_as_evidence_exist():
    tables = ("transparency", "dtac")
    named = [
        one
        for name in tables
        for item in read_table(name)["items"]
        for one in item.get("evidence", [])
    ]
    papers = {one for one in named if one.startswith("docs/")}
    pages = {one for one in named if one.endswith(".html")}
    assert papers
    assert all((trace.TREE / paper).is_file() for paper in papers)
    assert pages <= {f"{name}.html" for name in TITLES}


def test_a_test_that_does_not_exist_is_an_error(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("def test_b(): ...\nasync def test_c(): ...\n")
    asked = ["tests/test_a.py::test_b", "tests/test_a.py::test_c", "tests/test_a.py"]
    assert trace.in_tree(tmp_path, asked) == asked
    with pytest.raises(BadInput, match=r"tests/test_a.py::test_d.*tests/test_e.py::test_f"):
        trace.check(
            ["tests/test_a.py::test_d", "tests/test_e.py::test_f"], trace.in_tree(tmp_path, asked)
        )


def test_an_installation_without_the_tree_knows_the_same_tests(tmp_path):
    assert trace.known(tmp_path) == trace.known() == trace.named()


def test_every_control_is_proven_by_tests_or_is_somebodys():
    for hazard in hazards():
        assert hazard.controls
        for control in hazard.controls:
            assert bool(control.tests) != bool(control.by), control.control


def test_results_decide_whether_a_control_is_proven(subject):
    passed = dict.fromkeys(trace.named(), "passed")
    assert make_pack(subject, passed)["unproven"] == []
    test = hazards()[0].controls[0].tests[0]
    failed = make_pack(subject, {**passed, test: "failed"})
    assert [one[:4] for one in failed["unproven"]] == ["H01:"]
    silent = make_pack(subject, {})
    assert len(silent["unproven"]) > 30
    assert silent["states"]["dtac"][State.UNPROVEN.value] > 5
    assert "evidenced" not in silent["states"]["hazards"]


def test_a_card_that_is_silent_is_not_evidence(subject):
    short = {**subject.card, "sections": subject.card["sections"][:1]}
    states = {one.ref: one.state for one in items_of("transparency", short)}
    assert states["Tier 1: 1"] is State.EVIDENCED
    assert states["Tier 2: 4.3.1"] is State.MISSING
    assert states["Tier 2: 1.1"] is State.ORGANISATION


def test_tripod_is_answered_from_the_card_or_left_to_the_organisation(subject):
    items = make_pack(subject, None)["documents"]["tripod"]["items"]
    assert {one["state"] for one in items} == {
        State.EVIDENCED.value,
        State.ORGANISATION.value,
        State.NOT_APPLICABLE.value,
    }
    texts = {line["text"] for part in subject.card["sections"] for line in part["items"]}
    for one in items:
        if one["state"] == State.EVIDENCED.value and one["ref"] != "1":
            assert all(any(text in answer for text in texts) for answer in one["answers"])
        if one["state"] == State.ORGANISATION.value:
            assert one["for_the_deploying_organisation"]


def test_every_field_the_model_reads_is_in_the_register(subject):
    told = {one["field"]: one for one in field_register(subject.bundle)}
    features = subject.bundle.model.feature_set.features
    for feature in features:
        for family in map(family_of, feature.codes):
            assert feature.label in told[family]["features"]
            assert told[family]["used_by_the_model"]
    for name, one in told.items():
        assert one["purposes"]
        if FAMILIES[name].protected:
            assert one["protected"]
        if FAMILIES[name].outcome:
            assert all("earlier" in why for why in one["purposes"] if why.startswith("to score"))


def test_pages_link_to_what_is_there(subject, tmp_path):
    write_pack(make_pack(subject, None), tmp_path)
    for name in ("index", *TITLES):
        page = (tmp_path / f"{name}.html").read_text()
        json.loads((tmp_path / f"{name}.json").read_text())
        assert "<script" not in page
        assert "SYNTHETIC" in page
        for target in re.findall(r'href="([^"]+)"', page):
            file, _, anchor = target.partition("#")
            there = (tmp_path / file).read_text()
            assert not anchor or f'id="{anchor}"' in there


def results(folder, *, failing=""):
    cases = "".join(
        f'<testcase classname="{path.removesuffix(".py").replace("/", ".")}" name="{name}[one]">'
        + ("<failure/>" if name == failing else "")
        + f'</testcase><testcase classname="{path.removesuffix(".py").replace("/", ".")}" '
        f'name="{name}[two]"/>'
        for path, _, name in (test.partition("::") for test in trace.named())
    )
    path = folder / "junit.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return path


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("test_failed_gate_moves_nothing", 3)])
def test_the_command_writes_a_pack_and_refuses_what_is_not_proven(
    bundle_folder, tmp_path, capsys, monkeypatch, failing, code
):
    monkeypatch.chdir(tmp_path)
    path = results(tmp_path, failing=failing)
    options = ["--model", str(bundle_folder), "--out", "pack", "--test-results", str(path)]
    assert run(["assure", *options, "--json"]) == code
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["model"]["version"] is None
    assert bool(told["unproven"]) == bool(code)
    assert ("H01" in said.err) == bool(code)
    assert (tmp_path / "pack/index.html").is_file()


@pytest.mark.parametrize("content", ["no xml", "<testsuite/>"])
def test_results_of_another_kind_leave_nothing(
    bundle_folder, tmp_path, capsys, monkeypatch, content
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junit.xml").write_text(content)
    options = ["--model", str(bundle_folder), "--out", "pack", "--test-results", "junit.xml"]
    assert run(["assure", *options]) == 2
    assert "junit.xml" in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()
