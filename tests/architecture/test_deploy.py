"""What is shipped beside the image holds together: read off the files, no engine is needed."""

import re
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from homeward.commands.relay import command as relay_command
from homeward.commands.serve import command as serve
from service.app import create_app
from service.server import GRACE_SECONDS
from service.settings import NAMES, Settings

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "kubernetes"
RELAY = ROOT / "deploy" / "relay"
SECRETS = re.compile(r"password|token|hw_[A-Za-z0-9_-]{20,}", re.IGNORECASE)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def manifests():
    """Return manifests by kind; there is one of each."""
    found = [
        yaml.safe_load(path.read_text())
        for path in sorted(MANIFESTS.glob("*.yaml"))
        if path.name != "kustomization.yaml"
    ]
    by_kind = {one["kind"]: one for one in found}
    assert len(by_kind) == len(found)
    return by_kind


@pytest.fixture(scope="module")
def pod(manifests):
    return manifests["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def relay():
    told = yaml.safe_load((RELAY / "deployment.yaml").read_text())
    return told["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (only,) = pod["containers"]
    return only


@pytest.fixture
def answers(tmp_path):
    """Return a function that says whether a path is answered, be it not ready yet."""
    app = create_app(Settings(var=tmp_path, model_uri="models:/none@none"))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5000)) as client:
        yield lambda path: client.get(path).status_code in {200, 503}


def homeward_settings(environment):
    return {name: text for name, text in environment.items() if name.startswith("HOMEWARD_")}


# ---- compose -------------------------------------------------------------------------------------


def test_only_the_proxy_is_reachable_from_outside(compose):
    published = {name for name, service in compose["services"].items() if service.get("ports")}
    assert published == {"proxy"}
    assert compose["services"]["proxy"]["ports"] == ["443:443"]
    inner = {name for name, network in compose["networks"].items() if network.get("internal")}
    for name, service in compose["services"].items():
        assert name in {"proxy", "relay"} or set(service["networks"]) <= inner


def test_its_settings_are_ones_that_the_service_takes(compose):
    environment = homeward_settings(compose["services"]["homeward"]["environment"])
    settings = Settings.from_environment(environment)
    assert settings.is_guarded
    assert settings.behind_tls
    assert settings.database.startswith("postgresql://")
    assert settings.mlflow_tracking_uri == "http://mlflow:5000"


def test_its_commands_are_ones_that_there_are(compose, container):
    for arguments in (compose["services"]["homeward"]["command"], container["args"]):
        assert arguments[0] == "serve"
        assert serve.make_context("serve", list(arguments[1:])).params["host"] == "0.0.0.0"


def test_the_relay_is_started_with_options_and_settings_that_there_are(compose, relay):
    (told,) = relay["containers"]
    named = {one["name"]: one.get("value", "") for one in told["env"]}
    for arguments, given in (
        (compose["services"]["relay"]["command"], compose["services"]["relay"]["environment"]),
        (told["args"], named),
    ):
        assert arguments[0] == "relay"
        assert relay_command.make_context("relay", list(arguments[1:])).params["key_file"]
        assert set(homeward_settings(given)) <= set(NAMES)
        assert {"HOMEWARD_TRACKERS_FILE", "HOMEWARD_PSEUDONYM_KEY_FILE"} <= set(given)
    assert "ports" not in told


def test_the_relay_reaches_the_service_and_can_do_as_little(relay, pod, manifests):
    assert relay["securityContext"] == pod["securityContext"]
    (told,), (given,) = relay["containers"], relay["initContainers"]
    for container in (told, given):
        assert container["securityContext"] == pod["containers"][0]["securityContext"]
        assert container["resources"].keys() == {"requests", "limits"}
        volumes = {volume["name"] for volume in relay["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    policy = yaml.safe_load((RELAY / "network.yaml").read_text())["spec"]
    assert policy["podSelector"]["matchLabels"] in [
        one.get("podSelector", {}).get("matchLabels")
        for one in manifests["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    ]
    assert policy["ingress"] == []
    listed = yaml.safe_load((RELAY / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in RELAY.iterdir()}


def test_every_service_can_do_little(compose):
    for name, service in compose["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"]
        if name != "postgres":  # it gives its files to its own user first
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
        if name != "train":
            assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}


def test_every_image_has_a_version_and_every_name_leads_somewhere(compose):
    for service in compose["services"].values():
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")
        for needed in service.get("depends_on", ()):
            assert needed in compose["services"]
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists()
            elif not source.startswith("$"):
                assert source in compose["volumes"]
        assert set(service.get("secrets", ())) <= set(compose["secrets"])


def test_the_service_has_time_to_finish(compose, pod):
    assert int(compose["services"]["homeward"]["stop_grace_period"].rstrip("s")) > GRACE_SECONDS
    assert pod["terminationGracePeriodSeconds"] > GRACE_SECONDS


def test_the_tracking_server_answers_to_the_name_it_is_asked_by(compose):
    asked = compose["services"]["homeward"]["environment"]["HOMEWARD_MLFLOW_TRACKING_URI"]
    (allowed,) = [
        word.partition("=")[2].split(",")
        for word in compose["services"]["mlflow"]["command"]
        if word.startswith("--allowed-hosts")
    ]
    assert asked.removeprefix("http://") in allowed


def test_the_training_image_is_the_same_file_with_another_lock(compose):
    lock = compose["services"]["mlflow"]["build"]["args"]["LOCK"]
    assert (ROOT / "requirements" / f"{lock}.txt").exists()
    assert "requirements/${LOCK}.txt" in (ROOT / "Dockerfile").read_text()


def test_the_proxy_passes_on_to_the_service_and_hides_its_numbers():
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    assert "reverse_proxy homeward:8000" in text
    assert re.search(r"@inside path /metrics\n\s*respond @inside 404", text)
    assert text.count("{") == text.count("}")


# ---- Kubernetes ----------------------------------------------------------------------------------


def test_everything_is_listed_and_there(manifests):
    listed = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in MANIFESTS.iterdir()}
    assert set(manifests) == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    }


VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
}


def test_each_is_of_the_version_in_force(manifests):
    assert {kind: one["apiVersion"] for kind, one in manifests.items()} == VERSIONS


def test_all_speak_of_the_same_pods(manifests):
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    scaled = manifests["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == manifests["Deployment"]["metadata"]["name"]
    assert "replicas" not in manifests["Deployment"]["spec"]  # two would have the say
    assert scaled["minReplicas"] > manifests["PodDisruptionBudget"]["spec"]["minAvailable"]


def test_its_configuration_is_one_that_the_service_takes(manifests, container):
    settings = Settings.from_environment(manifests["ConfigMap"]["data"])
    assert settings.is_guarded
    named = {entry["name"] for entry in container["env"]}
    assert named <= set(NAMES)
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    for path in (settings.api_keys_file, settings.pseudonym_key_file, settings.var):
        assert any(str(path).startswith(mount) for mount in mounts)


def test_no_environment_is_made_up_for_it(pod):
    """A Service called homeward would become HOMEWARD_PORT, and stop every start."""
    assert pod["enableServiceLinks"] is False


def test_the_pod_can_do_little(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    user = str(pod["securityContext"]["runAsUser"])
    assert f"USER {user}:{user}" in (ROOT / "Dockerfile").read_text()
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"].keys() == {"requests", "limits"}
        assert not container["image"].endswith(":latest")


def test_every_mount_is_of_a_volume(pod):
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (*pod["initContainers"], *pod["containers"]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_probes_ask_what_is_answered(container, answers):
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert paths == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    assert all(map(answers, paths.values()))


def test_a_new_version_takes_nothing_away_before_it_is_ready(manifests):
    strategy = manifests["Deployment"]["spec"]["strategy"]
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_the_ingress_lets_callers_in_and_nothing_else(manifests, answers):
    (rule,) = manifests["Ingress"]["spec"]["rules"]
    paths = {path["path"] for path in rule["http"]["paths"]}
    assert paths == {"/v1", "/docs", "/openapi.json"}
    assert all(map(answers, paths - {"/v1"}))
    assert manifests["Ingress"]["spec"]["tls"][0]["hosts"] == [rule["host"]]


def test_the_network_is_closed_both_ways(manifests):
    spec = manifests["NetworkPolicy"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in spec["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 4318, 5000, 5432}
    assert [port["port"] for port in spec["ingress"][0]["ports"]] == [8000]


def test_no_secret_is_in_any_of_it():
    for path in (ROOT / "compose.yaml", *(ROOT / "deploy").rglob("*")):
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            told = SECRETS.search(line.partition("#")[0])
            assert told is None or "${POSTGRES_PASSWORD:?" in line or "ServiceAccountToken" in line
