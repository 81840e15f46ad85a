"""docs/cds.md says what is so."""

import json
import re
from pathlib import Path

from service.cds.prefetch import MOST_RESOURCES, TEMPLATES
from service.cds.routes import MOST_MIB
from service.cds.setup import read_setup

PAGE = (Path(__file__).parents[3] / "docs" / "cds.md").read_text()


def test_the_example_of_a_set_up_is_one(tmp_path):
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "cds.json").write_text(text)
    setup = read_setup(tmp_path / "cds.json")
    assert setup.offered == ("patient-view", "encounter-start", "encounter-discharge")
    assert [one.name for one in setup.clients] == ["ehr"]


def test_the_example_call_has_a_card(hub, record):
    (text,) = re.findall(r"--data '\n(.*?)'\n", PAGE, re.DOTALL)
    call = json.loads(text)
    assert call["context"]["encounterId"] == "RXX|V456"
    events = [one | {"spell_id": "RXX|V456"} for one in record.frail()]
    assert hub.post("/v1/events", json={"events": events}).status_code == 200
    (card,) = record.read_cards(hub.post(record.service, json=call))
    (action,) = card.suggestions[0].actions
    assert action.resource["encounter"]["identifier"]["value"] == "RXX|V456"


def test_templates_and_limits_are_there():
    listed = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", PAGE, re.MULTILINE))
    assert listed == dict(TEMPLATES)
    assert f"{MOST_MIB} MiB and {MOST_RESOURCES:,} resources" in PAGE
