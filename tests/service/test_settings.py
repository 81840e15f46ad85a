"""Settings: typed, frozen, and no name that means nothing."""

import pytest

from feature_store.errors import BadInput
from service.settings import NAMES, Settings


def test_the_defaults_are_those_of_the_interface():
    settings = Settings.from_environment({})
    assert settings.model_uri == "models:/long-stay@champion"
    assert settings.database == "sqlite:///var/homeward.db"
    assert settings.api_keys_file is None
    assert not settings.unaudited_answers


def test_every_setting_is_read():
    given = {
        "HOMEWARD_MODEL_URI": "bundles/today",
        "HOMEWARD_CHALLENGER_URI": "models:/long-stay@challenger",
        "HOMEWARD_MODEL_CHECK_SECONDS": "10",
        "HOMEWARD_MLFLOW_TRACKING_URI": "http://127.0.0.1:5000",
        "HOMEWARD_MLFLOW_PAGE": "https://mlflow.example/",
        "HOMEWARD_DATABASE_URL": "sqlite:////data/h.db",
        "HOMEWARD_VAR": "/data",
        "HOMEWARD_API_KEYS_FILE": "/run/keys.json",
        "HOMEWARD_TOKEN_ISSUER": "https://login.example",
        "HOMEWARD_TOKEN_AUDIENCE": "homeward",
        "HOMEWARD_TOKEN_KEYS": "https://login.example/keys",
        "HOMEWARD_TOKEN_SITES_CLAIM": "sites",
        "HOMEWARD_REQUESTS_PER_MINUTE": "600",
        "HOMEWARD_BEHIND_TLS": "yes",
        "HOMEWARD_PSEUDONYM_KEY_FILE": "/run/pseudonym.key",
        "HOMEWARD_HUB_CAPACITY": "12",
        "HOMEWARD_WORKLIST_SECONDS": "30",
        "HOMEWARD_STALE_HOURS": "12",
        "HOMEWARD_LEAST_COMPLETENESS": "0.2",
        "HOMEWARD_CLOCK": "data",
        "HOMEWARD_ADT_FACILITIES": "RXX,RYY",
        "HOMEWARD_ADT_TEST": "yes",
        "HOMEWARD_ADT_CODEBOOK": "/run/adt.toml",
        "HOMEWARD_CDS_FILE": "/run/cds.json",
        "HOMEWARD_UNAUDITED_ANSWERS": "yes",
        "HOMEWARD_TRACKERS_FILE": "/run/trackers.json",
        "HOMEWARD_MAX_BODY_MIB": "4",
        "HOMEWARD_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "HOMEWARD_LOG_LEVEL": "debug",
    }
    assert set(given) == set(NAMES)
    settings = Settings.from_environment(given | {"PATH": "/bin"})
    assert settings.database == "sqlite:////data/h.db"
    assert (settings.hub_capacity, settings.max_body_mib) == (12, 4)
    assert settings.unaudited_answers


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HOMEWARD_MODLE_URI", "HOMEWARD_MODEL_URI"),
        ("HOMEWARD_API_KEY_FILE", "HOMEWARD_API_KEYS_FILE"),
    ],
)
def test_a_misspelt_setting_stops_the_start_with_a_hint(name, hint):
    with pytest.raises(BadInput, match=f"{name} .did you mean {hint}"):
        Settings.from_environment({name: "secret"})


def test_an_odd_setting_stops_the_start_without_its_value():
    with pytest.raises(BadInput, match="HOMEWARD_XYZZY_PLUGH") as caught:
        Settings.from_environment({"HOMEWARD_XYZZY_PLUGH": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOMEWARD_HUB_CAPACITY", "0"),
        ("HOMEWARD_HUB_CAPACITY", "many"),
        ("HOMEWARD_MAX_BODY_MIB", "-1"),
        ("HOMEWARD_UNAUDITED_ANSWERS", "1"),
        ("HOMEWARD_LOG_LEVEL", "loud"),
        ("HOMEWARD_LEAST_COMPLETENESS", "1.5"),
        ("HOMEWARD_LEAST_COMPLETENESS", "nan"),
        ("HOMEWARD_CLOCK", "utc"),
        ("HOMEWARD_MODEL_URI", ""),
        ("HOMEWARD_VAR", ""),
        ("HOMEWARD_REQUESTS_PER_MINUTE", "0"),
        ("HOMEWARD_BEHIND_TLS", "true"),
        ("HOMEWARD_TOKEN_KEYS", "http://login.example/keys"),
        ("HOMEWARD_TOKEN_KEYS", "https://user:hunter2@login.example/keys"),
        ("HOMEWARD_TOKEN_KEYS", "https:///keys"),
    ],
)
def test_a_value_of_another_kind_stops_the_start(name, value):
    with pytest.raises(BadInput, match=f"^{name}: .* expected, got something else$"):
        Settings.from_environment({name: value})


@pytest.mark.parametrize("url", ["mysql://u:hunter2@db/h", "sqlite:///", "h.db", "postgresql://"])
def test_a_database_is_sqlite_or_postgresql(url):
    settings = Settings.from_environment({"HOMEWARD_DATABASE_URL": url})
    with pytest.raises(BadInput, match="HOMEWARD_DATABASE_URL") as caught:
        _ = settings.database
    assert "hunter2" not in str(caught.value) + repr(settings)


def test_addresses_that_may_hold_a_password_are_not_shown():
    settings = Settings(mlflow_tracking_uri="http://u:hunter2@mlflow")
    assert "hunter2" not in repr(settings)


def test_settings_of_the_test_suite_are_not_ours():
    Settings.from_environment({"HOMEWARD_TEST_POSTGRES_URL": "postgresql://127.0.0.1"})


@pytest.mark.parametrize("left_out", ["token_issuer", "token_audience", "token_keys"])
def test_tokens_need_issuer_audience_and_keys(left_out):
    given = {"token_issuer": "i", "token_audience": "a", "token_keys": "k"}
    assert Settings(**given).token_trust == ("i", "a", "k")
    given[left_out] = None
    with pytest.raises(BadInput, match="all three expected, or none"):
        _ = Settings(**given).token_trust


def test_a_claim_of_sites_alone_is_a_mistake():
    with pytest.raises(BadInput, match="all three expected"):
        _ = Settings(token_sites_claim="sites").token_trust
