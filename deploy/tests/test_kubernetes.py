"""The manifests: rendered by the real kustomize, held to the schemas and to what has to be true of them."""

import re
import shutil

import kubernetes_validate
import pytest
import yaml

from project import DEPLOY, PROJECT, documented_variables, run, tool

SOURCE = DEPLOY / "kubernetes"
# Of the manifests' API versions, the newest and the oldest that are looked at.
VERSIONS = ("1.37", "1.29")


def in_old_words(text):
    """Debian's kustomize is of 2019: it calls folders among the resources bases, and patches by what they do."""
    content = yaml.safe_load(text)
    resources = content["resources"]
    content["resources"] = [name for name in resources if name.endswith(".yaml")]
    content["bases"] = [name for name in resources if not name.endswith(".yaml")]
    content["patchesStrategicMerge"] = [patch["path"] for patch in content.pop("patches", [])]
    return yaml.safe_dump(content)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """All objects of each overlay."""
    copy = tmp_path_factory.mktemp("kubernetes") / "k"
    shutil.copytree(SOURCE, copy)
    for file in copy.rglob("kustomization.yaml"):
        file.write_text(in_old_words(file.read_text()))
    kubectl, environment = tool("kubernetes-client", "usr/bin/kubectl")
    overlays = [path.name for path in (SOURCE / "overlays").iterdir()]
    assert sorted(overlays) == ["several", "single"]
    return {name: list(yaml.safe_load_all(run(kubectl, "kustomize", copy / "overlays" / name, env=environment))) for name in overlays}


def one(objects, kind, name="claude-code-server"):
    found = [it for it in objects if it["kind"] == kind and it["metadata"]["name"] == name]
    assert len(found) == 1, (kind, name)
    return found[0]


def pod_of(objects, name="claude-code-server"):
    return one(objects, "StatefulSet", name)["spec"]["template"]["spec"]


def variables(pod):
    return {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}


def test_every_file_is_part_of_an_overlay():
    named = set()
    for file in SOURCE.rglob("kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        named |= {file, *(file.parent / name for name in content["resources"])}
        named |= {file.parent / patch["path"] for patch in content.get("patches", [])}
    assert set(SOURCE.rglob("*.yaml")) - named == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_follow_the_schemas(rendered, version):
    for objects in rendered.values():
        assert len(objects) >= 6
        for it in objects:
            kubernetes_validate.validate(it, version, strict=True)


def test_a_field_that_does_not_exist_is_noticed(rendered):
    wrong = {**one(rendered["single"], "Service"), "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_everything_is_in_the_namespace(rendered):
    for objects in rendered.values():
        outside = [it["kind"] for it in objects if it["metadata"].get("namespace") != "claude-code-server"]
        assert outside == ["Namespace"]


def test_nobody_in_a_pod_has_rights(rendered):
    for objects in rendered.values():
        for it in objects:
            if it["kind"] == "StatefulSet":
                pod = it["spec"]["template"]["spec"]
                assert pod["automountServiceAccountToken"] is False
                assert pod["securityContext"]["runAsNonRoot"] is True
                assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
                (container,) = pod["containers"]
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }
                assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"]
                assert {"readinessProbe", "livenessProbe"} <= set(container)


def test_the_pod_fits_the_image(rendered):
    image = (PROJECT / "Dockerfile").read_text()
    for objects in rendered.values():
        pod = pod_of(objects)
        user, group = re.search(r"^USER (\d+):(\d+)$", image, re.M).groups()
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (int(user), int(group))
        ports = {port["containerPort"] for port in pod["containers"][0]["ports"]}
        assert ports == {int(port) for port in re.search(r"^EXPOSE (.+)$", image, re.M).group(1).split()}
        mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert {"/data", "/workspaces", "/tmp"} <= mounts
        assert set(variables(pod)) <= set(documented_variables())


def test_the_time_to_stop_is_longer_than_the_drain(rendered):
    for objects in rendered.values():
        pod = pod_of(objects)
        assert pod["terminationGracePeriodSeconds"] >= int(variables(pod)["SERVER_DRAIN_SECONDS"]) + 15


def test_a_server_without_its_storage_is_not_killed(rendered):
    for objects in rendered.values():
        (container,) = pod_of(objects)["containers"]
        assert container["livenessProbe"]["httpGet"] == {"path": "/metrics", "port": "metrics"}
        assert container["readinessProbe"]["httpGet"]["path"] == "/health"


def test_what_is_mounted_and_named_is_there(rendered):
    for objects in rendered.values():
        claims = {it["metadata"]["name"] for it in objects if it["kind"] == "PersistentVolumeClaim"}
        services = {it["metadata"]["name"] for it in objects if it["kind"] == "Service"}
        for it in [it for it in objects if it["kind"] == "StatefulSet"]:
            spec = it["spec"]
            pod = spec["template"]["spec"]
            volumes = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
            for volume in pod.get("volumes") or []:
                assert "sizeLimit" in volume.get("emptyDir", {}) or volume["persistentVolumeClaim"]["claimName"] in claims
                volumes.add(volume["name"])
            assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes
            assert spec["serviceName"] in services
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_services_lead_to_ports_that_the_pods_have(rendered):
    for objects in rendered.values():
        sets = [it["spec"]["template"] for it in objects if it["kind"] == "StatefulSet"]
        for service in [it["spec"] for it in objects if it["kind"] == "Service"]:
            (pod,) = [pod for pod in sets if service["selector"].items() <= pod["metadata"]["labels"].items()]
            names = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in service["ports"]} <= names


def test_the_single_server_has_sqlite_and_stays_alone(rendered):
    objects = rendered["single"]
    assert one(objects, "StatefulSet")["spec"]["replicas"] == 1
    assert variables(pod_of(objects))["STORAGE_TYPE"] == "sqlite"
    assert not [it for it in objects if it["kind"] in ("HorizontalPodAutoscaler", "PodDisruptionBudget")]


def test_several_servers_share_what_they_have_to(rendered):
    objects = rendered["several"]
    found = variables(pod_of(objects))
    assert found["STORAGE_TYPE"] == "redis" and found["API_AUTH_ENABLED"] == "true"
    one(objects, "Service", found["STORAGE_REDIS_HOST"])
    shared = {m["mountPath"]: m["name"] for m in pod_of(objects)["containers"][0]["volumeMounts"]}
    assert shared == {"/data": "data", "/workspaces": "shared", "/shared": "shared", "/tmp": "tmp"}
    assert found["STORAGE_AGENTS_DIR"].startswith("/shared/") and found["API_KEYS_FILE"].startswith("/shared/")
    assert one(objects, "PersistentVolumeClaim", "claude-code-server-shared")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_autoscaler_alone_says_how_many_there_are(rendered):
    objects = rendered["several"]
    assert "replicas" not in one(objects, "StatefulSet")["spec"]
    spec = one(objects, "HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "claude-code-server"}
    (metric,) = spec["metrics"]
    # A server's share is as many tasks as it works on at once.
    assert metric["external"]["target"]["averageValue"] == variables(pod_of(objects))["SESSION_MAX_CONCURRENT"]
    readme = (SOURCE / "README.md").read_text()
    rules = (DEPLOY / "prometheus/rules/recording.yml").read_text()
    assert f"as: {metric['external']['metric']['name']}" in readme
    assert "job:tasks_to_do:sum" in readme and "record: job:tasks_to_do:sum" in rules
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_agents_reach_nothing_of_the_cluster(rendered):
    for name, objects in rendered.items():
        spec = one(objects, "NetworkPolicy")["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        blocks = [peer["ipBlock"] for rule in spec["egress"] for peer in rule["to"] if "ipBlock" in peer]
        assert [("10.0.0.0/8" in block["except"], "169.254.0.0/16" in block["except"]) for block in blocks] == [(True, True)]
        ports = {port["port"] for rule in spec["egress"] for port in rule["ports"]}
        assert ports == ({53, 443, 6379} if name == "several" else {53, 443})
