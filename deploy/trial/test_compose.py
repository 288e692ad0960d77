"""The Compose file's server and Redis, with the variables, volumes and command lines that it gives them."""

import os
import shlex
import subprocess
import time
from contextlib import contextmanager

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


SOCKET = "data/redis.sock"


@contextmanager
def redis_in(services, place):
    """Redis by the file's command line, on a socket in the server's volume: there is no network between the two here."""
    folder, socket = place / "redis", place / SOCKET
    folder.mkdir(exist_ok=True)
    if not socket.parent.exists():
        socket.parent.mkdir(mode=0o700)
        os.chown(socket.parent, 10001, 10001)
    shell, option, script = services["redis"]["command"]
    assert (shell, option) == ("sh", "-c") and script.startswith("exec redis-server ")
    # Compose doubles what would be a variable of its own.
    script = script.replace("$$", "$") + f" --port 0 --dir {folder} --unixsocket {socket} --unixsocketperm 777"
    environment = {"PATH": f"{REDIS}/usr/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": f"{REDIS}/usr/lib/x86_64-linux-gnu"}
    server = subprocess.Popen([shell, option, script], env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not socket.exists():
        assert server.poll() is None and time.monotonic() < deadline, "Redis does not start"
        time.sleep(0.02)
    try:
        yield lambda *words: run(REDIS / "usr/bin/redis-cli", "-s", socket, *words, env=environment)
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def redis(services, tmp_path):
    """One beside the test's server."""
    with redis_in(services, tmp_path) as command_line:
        yield command_line


def start(image, services, place):
    """The server as the file has it, in demo mode."""
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    service = services["server"]
    variables = {name: str(value) for name, value in service["environment"].items() if value is not None}
    mounts = [mount.split(":")[1] for mount in service["volumes"]]
    command = [*shlex.split(service["command"]), "--demo"]
    container = Container(image, place, {**variables, "STORAGE_REDIS_URL": f"redis+unix:///{SOCKET}"}, command, mounts)
    container.wait_for("health", container.is_healthy)
    return container


def test_the_documented_way_works_and_outlives_a_kill(image, services, redis, tmp_path):
    container = start(image, services, tmp_path)
    health = container.call("/health")[1]
    # Redis is set as the server wants it, else there were reasons.
    assert (health["status"], health["reasons"]) == ("healthy", []), health
    (instance,) = container.call("/api/v1/instances")[1]["instances"]
    before = container.finish({"task_id": "one", "prompt": "[[say kept]]", "workspace": "/workspaces"})
    assert before["result"]["summary"] == "kept"
    container.kill()
    container = start(image, services, tmp_path)
    try:
        assert container.call("/api/v1/tasks/one/result?wait=5") == (200, before)
        again = {"prompt": "[[history]]", "workspace": "/workspaces"}
        again["session"] = {"session_id": before["session_id"], "reuse_existing": True}
        assert "kept" in container.finish(again)["result"]["summary"]
        assert len(container.call("/api/v1/instances")[1]["instances"]) == 1, instance
        assert container.stop()[0] == 0
    finally:
        container.kill()


def test_redis_and_conversations_are_copied_while_they_work_and_restored(image, services, redis, tmp_path):
    """docs/runbooks/restore.md, with folders in place of volumes."""
    container = start(image, services, tmp_path)
    before = container.finish({"task_id": "one", "prompt": "[[say kept]]", "workspace": "/workspaces"})
    # Written to while it is copied.
    status, _ = container.call("/api/v1/tasks", {"task_id": "two", "prompt": "[[stream 5000 20]]", "workspace": "/workspaces"})
    assert status == 200
    redis("config", "set", "auto-aof-rewrite-percentage", "0")
    run("tar", "-C", tmp_path / "redis", "-cf", tmp_path / "redis.tar", "appendonlydir")
    redis("config", "set", "auto-aof-rewrite-percentage", "100")
    run("tar", "-C", tmp_path / "shared", "-cf", tmp_path / "shared.tar", "agents")
    container.kill()
    other = tmp_path / "other"
    for name in ("redis", "shared"):
        (other / name).mkdir(parents=True)
        run("tar", "-C", other / name, "-xf", tmp_path / f"{name}.tar")
    os.chown(other / "shared", 10001, 10001)
    with redis_in(services, other):
        container = start(image, services, other)
        try:
            assert container.call("/api/v1/tasks/one/result?wait=5") == (200, before)
            assert container.call("/api/v1/tasks/two/result?wait=60")[1]["status"] in ("interrupted", "failed")
            again = {"prompt": "[[history]]", "workspace": "/workspaces"}
            again["session"] = {"session_id": before["session_id"], "reuse_existing": True}
            assert "kept" in container.finish(again)["result"]["summary"]
            assert container.stop()[0] == 0
        finally:
            container.kill()
