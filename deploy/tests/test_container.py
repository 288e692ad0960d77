"""Dockerfile, entry point and Compose file."""

import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from conftest import NOBODY_BETWEEN, Server, fetch
from project import DEPLOY, PROJECT, TOOLS, documented_variables, run, tool, version

ENTRYPOINT = DEPLOY / "docker/entrypoint.sh"
SERVERS = {"server", "server-2", "server-3"}
# What the Compose file or the image decides; the file of keys and the metrics' port are part of how the parts fit together.
DECIDED = {
    "CLAUDE_CODE_SERVER_CONFIG", "SERVER_HOST", "SERVER_PORT", "SERVER_UNIX_SOCKET", "SERVER_UNIX_SOCKET_MODE", "SERVER_WORKERS",
    "SERVER_DRAIN_SECONDS", "SERVER_TRUSTED_PROXIES", "SERVER_ALLOW_INSECURE", "WORKSPACE_ROOTS", "CLAUDE_CLI_PATH",
    "STORAGE_DATA_DIR", "STORAGE_TYPE", "STORAGE_REDIS_HOST", "STORAGE_REDIS_URL",
    "STORAGE_INSTANCE_NAME", "API_KEYS_FILE", "MONITORING_PROMETHEUS_ENABLED", "MONITORING_PROMETHEUS_PORT",
    "MONITORING_LOGGING_FORMAT", "CLAUDE_SERVER_URL", "CLAUDE_SERVER_API_KEY",
}  # fmt: skip


def compose(*files, profiles=(), **variables):
    """The Compose file as Compose understands it."""
    words = [word for file in files for word in ("-f", PROJECT / file)]
    words += [word for profile in profiles for word in ("--profile", profile)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    return yaml.safe_load(run("/usr/bin/docker-compose", *words, "config", env=environment, cwd=PROJECT))


def everything(**variables):
    return compose("docker-compose.yml", profiles=["metrics", "grafana", "scaled"], **variables)["services"]


def test_the_dockerfile_has_no_faults_that_a_linter_knows():
    assert run(TOOLS / "deploy/bin/hadolint", PROJECT / "Dockerfile") == ""


def test_the_images_versions_are_the_projects():
    text = (PROJECT / "Dockerfile").read_text()
    channel = re.search(r'channel = "(.+)"', (PROJECT / "rust-toolchain.toml").read_text()).group(1)
    assert f"ARG RUST_VERSION={channel}\n" in text
    assert f"ARG VERSION={version()}\n" in text


def test_the_servers_folder_is_none_in_which_agents_write():
    """It reads `.env` there."""
    stage = (PROJECT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    folder = re.findall(r"^WORKDIR (\S+)$", stage, re.M)[-1]
    volumes = json.loads(re.search(r"^VOLUME (.+)$", stage, re.M).group(1))
    roots = re.search(r"WORKSPACE_ROOTS=(\S+)", stage).group(1).split(":")
    for written in [*volumes, *roots]:
        assert not Path(folder).is_relative_to(written), f"{folder} is below {written}"


def test_what_is_sent_to_the_builder_exists():
    names = re.findall(r"^!(\S+)$", (PROJECT / ".dockerignore").read_text(), re.M)
    assert names and [name for name in names if not (PROJECT / name).exists()] == []


def test_the_builder_is_sent_a_whole_workspace(tmp_path):
    """Cargo reads every member's manifest, also of those that are not built."""
    for name in re.findall(r"^!(\S+)$", (PROJECT / ".dockerignore").read_text(), re.M):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        leave_out = shutil.ignore_patterns("node_modules", "target")
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tmp_path / name, ignore=leave_out, symlinks=True)
        else:
            shutil.copy(PROJECT / name, tmp_path / name)
    said = run("cargo", "metadata", "--no-deps", "--offline", "--format-version=1", "--quiet", cwd=tmp_path)
    assert "claude-code-server" in {package["name"] for package in json.loads(said)["packages"]}


def test_every_secret_can_come_from_a_file(tmp_path):
    secrets = [name for name, is_secret in documented_variables().items() if is_secret]
    secrets.remove("CLAUDE_SERVER_API_KEY")  # is for the command `run`
    files = {}
    for name in secrets:
        (tmp_path / name).write_text(f"what $HOME 'is' in {name}\n")
        files[f"{name}_FILE"] = str(tmp_path / name)
    said = run(ENTRYPOINT, "env", "--null", env={"PATH": "/usr/bin:/bin", **files}).split("\0")
    found = dict(entry.split("=", 1) for entry in said if "=" in entry)
    expected = {name: f"what $HOME 'is' in {name}" for name in secrets}
    assert {name: text for name, text in found.items() if name not in ("PATH", "PWD", "_")} == expected


@pytest.mark.parametrize("more", [{}, {"API_API_KEY": "given"}])
def test_a_secret_that_cannot_be_read_or_is_given_twice_stops_the_start(tmp_path, more):
    file = tmp_path / "key"
    if more:
        file.write_text("x")
    environment = {"PATH": "/usr/bin:/bin", "API_API_KEY_FILE": str(file), **more}
    ended = subprocess.run([ENTRYPOINT, "true"], env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("entrypoint: API_API_KEY")


@pytest.mark.parametrize(
    "address, permitted", [("127.0.0.1", "true"), ("::1", "true"), ("0.0.0.0", None), ("10.1.2.3", None), ("", None)]
)
def test_only_a_port_of_the_hosts_own_needs_no_authentication(address, permitted):
    said = run(ENTRYPOINT, "env", env={"PATH": "/usr/bin:/bin", "PUBLISHED_ON": address})
    assert ("SERVER_ALLOW_INSECURE=true" in said.splitlines()) == (permitted == "true")


def test_compose_starts_what_it_is_asked_for():
    profiles = {name: service.get("profiles", []) for name, service in everything().items()}
    scaled = {"server-2": ["scaled"], "server-3": ["scaled"], "proxy": ["scaled"]}
    assert profiles == {"server": [], "redis": [], **scaled, "prometheus": ["metrics"], "grafana": ["grafana"]}


def test_every_service_is_bounded_and_has_no_rights():
    for name, service in everything().items():
        found = {key: service[key] for key in ("read_only", "cap_drop", "security_opt", "restart")}
        expected = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "restart": "unless-stopped"}
        assert found == {"read_only": True, **expected}, name
        assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"]), name
        assert service["pids_limit"] > 0 and service["logging"]["options"]["max-size"], name
        # The servers' is the image's.
        assert ("healthcheck" in service) != (name in SERVERS), name


def test_servers_start_after_redis_and_the_proxy_after_them():
    services = everything()
    for name in SERVERS:
        assert services[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert services["proxy"]["depends_on"] == {name: {"condition": "service_healthy"} for name in SERVERS}
    assert set(services["redis"]["networks"]) == {"inside"}


def test_ports_are_the_machines_own_unless_somebody_says_otherwise():
    closed = [port for service in everything().values() for port in service.get("ports", [])]
    assert closed and all(str(port).startswith("127.0.0.1:") for port in closed), closed
    opened = everything(PUBLISHED_ON="0.0.0.0")
    for name in SERVERS:
        # The entry point then permits nothing without authentication.
        assert opened[name]["environment"]["PUBLISHED_ON"] == "0.0.0.0"
    ports = {name: service.get("ports", []) for name, service in opened.items()}
    assert ports["server"] == ["0.0.0.0:8000:8000/tcp"]
    assert ports["prometheus"] == ["127.0.0.1:9091:9090/tcp"]


def test_every_documented_variable_reaches_the_servers():
    passed = set(yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["x-variables"])
    assert passed == set(documented_variables()) - DECIDED


@pytest.mark.parametrize("storage, agents", [("redis", "/shared/agents"), ("sqlite", None), ("memory", None)])
def test_a_server_starts_with_each_storage_and_exec_finds_its_settings(storage, agents, binary, tmp_path):
    service = everything(STORAGE_TYPE=storage, CLAUDE_API_KEY="key", STORAGE_REDIS_PORT="6380")["server"]
    given = {name: text for name, text in service["environment"].items() if text is not None}
    given |= {"PATH": "/usr/bin:/bin", "SERVER_HOST": "0.0.0.0"}  # as in the image
    shown = run(ENTRYPOINT, binary, "config", "show", env=given, cwd=tmp_path)
    found = dict(re.findall(r"^([A-Z_]+) +(\S+)  \[(?!default)", shown, re.M))
    assert (found.get("STORAGE_AGENTS_DIR"), found["STORAGE_REDIS_PORT"]) == (agents, "6380"), shown
    run(ENTRYPOINT, binary, "config", "check", env=given, cwd=tmp_path)


def test_no_two_servers_share_what_is_one_servers():
    services = everything()
    data = [mount for name in SERVERS for mount in services[name]["volumes"] if mount.endswith(":/data:rw")]
    names = [services[name]["environment"]["STORAGE_INSTANCE_NAME"] for name in SERVERS]
    assert len(set(data)) == len(set(names)) == 3
    shared = [{m for m in services[name]["volumes"] if not m.endswith(":/data:rw")} for name in SERVERS]
    assert shared[0] == shared[1] == shared[2] == {"shared:/shared:rw", "workspaces:/workspaces:rw"}


def test_the_time_to_stop_is_longer_than_the_drain():
    for name in SERVERS:
        service = everything()[name]
        minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", service["stop_grace_period"]).groups()
        patience = int(minutes or 0) * 60 + int(seconds or 0)
        assert patience >= int(service["environment"]["SERVER_DRAIN_SECONDS"]) + 15


def test_secrets_by_file_are_mounted_where_the_variables_say():
    services = compose("docker-compose.yml", "deploy/docker/secrets.yml")["services"]
    environment = services["server"]["environment"]
    files = {environment[name] for name in environment if name.endswith("_FILE") and "/run/secrets/" in str(environment[name])}
    assert files == {f"/run/secrets/{secret['source']}" for secret in services["server"]["secrets"]}
    assert environment["API_AUTH_ENABLED"] == "true"
    scaled = compose("docker-compose.yml", "deploy/docker/secrets.yml", profiles=["scaled"])["services"]
    for name in SERVERS:
        assert scaled[name]["environment"] == {**environment, "STORAGE_INSTANCE_NAME": name}
        assert scaled[name]["secrets"] == services["server"]["secrets"]
    assert [secret["source"] for secret in scaled["redis"]["secrets"]] == ["redis_password"]


def test_an_engine_gives_the_proxys_address_to_nobody_else():
    file = compose("docker-compose.yml", profiles=["scaled"])
    (pool,) = file["networks"]["outside"]["ipam"]["config"]
    address = ipaddress.ip_address(file["services"]["proxy"]["networks"]["outside"]["ipv4_address"])
    assert address in ipaddress.ip_network(pool["subnet"]) and address not in ipaddress.ip_network(pool["ip_range"])
    assert file["services"]["server"]["environment"]["SERVER_TRUSTED_PROXIES"] == str(address)


def test_no_secret_is_in_a_command_line_and_agents_reach_no_grafana():
    services = everything(STORAGE_REDIS_PASSWORD="hidden-1", GRAFANA_PASSWORD="hidden-2")
    for service in services.values():
        assert "hidden" not in str([service.get(key) for key in ("command", "entrypoint", "healthcheck")])
    assert set(services["grafana"]["networks"]).isdisjoint(services["server"]["networks"])


def test_as_many_servers_are_scraped_as_there_are():
    for count, file in ((1, "one"), (3, "three")):
        (target,) = yaml.safe_load((DEPLOY / f"prometheus/targets/{file}.yml").read_text())
        assert target["targets"] == [f"{name}:9090" for name in sorted(SERVERS)[:count]]
        mounts = everything(SERVERS=file)["prometheus"]["volumes"]
        assert f"{DEPLOY}/prometheus/targets/{file}.yml:/etc/targets.yml:ro" in mounts


def test_mounted_files_exist():
    for name, service in everything().items():
        sources = [mount.split(":")[0] for mount in service.get("volumes", []) if mount.startswith("/")]
        assert [source for source in sources if not os.path.exists(source)] == [], name


class Proxy:
    """The real one, between callers and the servers at these addresses."""

    def __init__(self, folder, *servers):
        haproxy, environment = tool("haproxy", "usr/sbin/haproxy")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        text = (DEPLOY / "docker/haproxy.cfg").read_text()
        (folder / "haproxy.cfg").write_text(text.replace("bind :8080", f"bind 127.0.0.1:{port}"))
        environment |= {f"SERVER_{number}": address for number, address in enumerate(servers, 1)}
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [haproxy, "-db", "-f", folder / "haproxy.cfg"], env=environment, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def wait_for(self, expected):
        """Reads what its checks find out until they have found all of that."""
        found, patience = set(), threading.Timer(30, self.process.kill)
        patience.start()
        for line in self.process.stdout:
            found |= set(re.findall(r"Server (\S+ is (?:DOWN|stopping))", line))
            if expected <= found:
                break
        patience.cancel()
        assert found >= expected


NOBODY = "127.0.0.1:1"


def gone(*names):
    return {f"{backend}/{name} is DOWN" for backend in ("servers", "takers") for name in names}


def test_the_proxy_passes_over_servers_that_are_gone(server, tmp_path):
    with Proxy(tmp_path, NOBODY, server.url.removeprefix("http://"), NOBODY) as proxy:
        # Its checks find out who is gone, before anybody asks.
        proxy.wait_for(gone("server", "server-3"))
        answers = [json.loads(fetch(f"{proxy.url}/ready")) for _ in range(9)]
        assert answers == [{"status": "ready"}] * 9


def submit(url, server, prompt):
    """Gives the status and the body of the answer."""
    body = json.dumps({"prompt": prompt, "workspace": str(server.workspace)}).encode()
    request = urllib.request.Request(f"{url}/api/v1/tasks", data=body, headers={"content-type": "application/json"})
    try:
        with NOBODY_BETWEEN.open(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def wait_for_tool(server, task):
    """Reads a task's events until its agent uses a tool."""
    headers = {"accept": "text/event-stream"}
    request = urllib.request.Request(f"{server.url}/api/v1/tasks/{task}/events", headers=headers)
    with NOBODY_BETWEEN.open(request, timeout=30) as events:
        assert any(b"tool_use" in line for line in events)


def test_the_proxy_submits_nothing_to_a_server_that_drains_and_cuts_nobody_off(server, binary, tmp_path):
    (tmp_path / "other").mkdir()
    cli = server.environment["CLAUDE_CLI_PATH"]
    other = Server(binary, tmp_path / "other", {"CLAUDE_CLI_PATH": cli, "SERVER_DRAIN_SECONDS": "60"})
    addresses = [one.url.removeprefix("http://") for one in (other, server)]
    try:
        status, task = submit(other.url, other, "[[bash python3 -c 'import time; time.sleep(600)']]")
        assert status == 200, task
        with Proxy(tmp_path, *addresses, NOBODY) as proxy:
            wait_for_tool(other, task["task_id"])
            assert json.loads(fetch(f"{other.url}/health"))["draining"] is False
            other.process.terminate()
            proxy.wait_for({"takers/server is stopping"})
            # Without the proxy, it refuses.
            status, problem = submit(other.url, other, "hello")
            assert (status, problem["code"]) == (503, "shutting_down")
            answers = [submit(proxy.url, server, "hello")[0] for _ in range(20)]
            assert answers == [200] * 20
            # It is asked what there is as before.
            told = {json.loads(fetch(f"{proxy.url}/health"))["draining"] for _ in range(20)}
            assert told == {False, True}
    finally:
        # A second signal cuts the drain short.
        other.process.terminate()
        other.process.communicate(timeout=30)
