"""The Compose file's server and Redis, with the variables, volumes and command lines that it gives them."""

import os
import shlex
import subprocess
import time

import pytest
import yaml

from container import Container
from machine import PROJECT, run

REDIS = PROJECT / ".tools/redis-server"


@pytest.fixture(scope="module")
def services():
    """What Compose makes of the file when nothing is set."""
    said = run("/usr/bin/docker-compose", "config", cwd=PROJECT, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
    return yaml.safe_load(said)["services"]


@pytest.fixture
def redis(services, tmp_path):
    """Redis by the file's command line, on a socket in the server's volume: there is no network between the two here."""
    folder = tmp_path / "redis"
    folder.mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    os.chown(tmp_path / "data", 10001, 10001)
    socket = tmp_path / "data/redis.sock"
    program, *arguments = shlex.split(services["redis"]["command"])
    assert program == "redis-server"
    environment = {"LD_LIBRARY_PATH": f"{REDIS}/usr/lib/x86_64-linux-gnu"}
    server = subprocess.Popen(
        [REDIS / "usr/bin/redis-server", *arguments, "--port", "0", "--dir", folder, "--unixsocket", socket, "--unixsocketperm", "777"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not socket.exists():
        assert server.poll() is None and time.monotonic() < deadline, "Redis does not start"
        time.sleep(0.02)
    yield "redis+unix:///data/redis.sock"
    server.terminate()
    server.wait()


def start(image, services, place, redis):
    """The server as the file has it, in demo mode."""
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    service = services["server"]
    variables = {name: str(value) for name, value in service["environment"].items() if value is not None}
    mounts = [mount.split(":")[1] for mount in service["volumes"]]
    command = [*shlex.split(service["command"]), "--demo"]
    container = Container(image, place, {**variables, "STORAGE_REDIS_URL": redis}, command, mounts)
    container.wait_for("health", container.is_healthy)
    return container


def test_the_documented_way_works_and_outlives_a_kill(image, services, redis, tmp_path):
    container = start(image, services, tmp_path, redis)
    health = container.call("/health")[1]
    # Redis is set as the server wants it, else there were reasons.
    assert (health["status"], health["reasons"]) == ("healthy", []), health
    (instance,) = container.call("/api/v1/instances")[1]["instances"]
    before = container.finish({"task_id": "one", "prompt": "[[say kept]]", "workspace": "/workspaces"})
    assert before["result"]["summary"] == "kept"
    container.kill()
    container = start(image, services, tmp_path, redis)
    try:
        assert container.call("/api/v1/tasks/one/result?wait=5") == (200, before)
        again = {"prompt": "[[history]]", "workspace": "/workspaces"}
        again["session"] = {"session_id": before["session_id"], "reuse_existing": True}
        assert "kept" in container.finish(again)["result"]["summary"]
        assert len(container.call("/api/v1/instances")[1]["instances"]) == 1, instance
        assert container.stop()[0] == 0
    finally:
        container.kill()
