"""docs/api.md says what is so."""

import json
import re
from pathlib import Path

import pytest

from service.metrics import Metrics
from service.problems import KINDS
from service.settings import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_every_setting_is_there_and_no_other():
    assert set(re.findall(r"`(HOMEWARD_[A-Z_]*[A-Z])[`=]", PAGE)) == set(NAMES)


def test_every_metric_is_there_and_no_other():
    # Process metrics are the library's own.
    ours = {
        re.search(r"homeward_\w+", line)[0]
        for line in Metrics().exposition().decode().splitlines()
        if line.startswith("# TYPE") and "homeward_process" not in line
    }
    told = set(re.findall(r"`(homeward_\w+)`", PAGE))
    assert told == ours


@pytest.mark.parametrize("status", KINDS)
def test_every_status_is_there(status):
    assert re.search(rf"^\| (\d+, )?{status}\b", PAGE, re.MULTILINE)


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_is_json(text):
    json.loads(text)


def test_the_example_request_is_answered(client):
    (text,) = re.findall(r"```json\n(\{\"prediction_time.*?)```", PAGE, re.DOTALL)
    answer = client.post("/v1/scores", content=text, headers={"Content-Type": "application/json"})
    assert len(answer.json()["scores"]) == 1
