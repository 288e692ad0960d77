"""The Compose file's server and Redis, with the variables, volumes and command lines that it gives them."""

import os
import shlex
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

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


@contextmanager
def redis_in(services, place, name="redis", password="", more=""):
    """Redis by the file's command line, on a socket in the server's volume: there is no network between the two here."""
    folder, door = place / name, place / f"data/{name}.sock"
    folder.mkdir(exist_ok=True)
    if not door.parent.exists():
        door.parent.mkdir(mode=0o700)
        os.chown(door.parent, 10001, 10001)
    shell, option, script = services["redis"]["command"]
    assert (shell, option) == ("sh", "-c") and script.startswith("exec redis-server ")
    # Compose doubles what would be a variable of its own.
    script = script.replace("$$", "$") + f" --port 0 --dir {folder} --unixsocket {door} --unixsocketperm 777 {more}"
    environment = {"PATH": f"{REDIS}/usr/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": f"{REDIS}/usr/lib/x86_64-linux-gnu"}
    if password:
        environment |= {"STORAGE_REDIS_PASSWORD": password, "REDISCLI_AUTH": password}
    # It ends with this process, however that ends.
    command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", shell, option, script]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not door.exists():
        assert server.poll() is None and time.monotonic() < deadline, "Redis does not start"
        time.sleep(0.02)
    try:
        yield lambda *words: run(REDIS / "usr/bin/redis-cli", "-s", door, *words, env=environment)
    finally:
        # As a crash does it: a master with a replica would wait for that.
        server.kill()
        server.wait()


@pytest.fixture
def redis(services, tmp_path):
    """One beside the test's server."""
    with redis_in(services, tmp_path) as command_line:
        yield command_line


def start(image, services, place, name="redis", password=""):
    """The server as the file has it, in demo mode, on the Redis of that name."""
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    service = services["server"]
    variables = {key: str(value) for key, value in service["environment"].items() if value is not None}
    # The address is in place of the password, too.
    variables["STORAGE_REDIS_URL"] = f"redis+unix:///data/{name}.sock" + (f"?pass={password}" if password else "")
    mounts = [mount.split(":")[1] for mount in service["volumes"]]
    command = [*shlex.split(service["command"]), "--demo"]
    container = Container(image, place, variables, command, mounts)
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
    # Temporary files are no part of conversations. A file that grows meanwhile makes tar say 1.
    words = ["tar", "-C", tmp_path / "shared", "--exclude", "*/tmp", "-cf", tmp_path / "shared.tar", "."]
    assert subprocess.run(words, stderr=subprocess.DEVNULL).returncode in (0, 1)
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


def say(container, number):
    """A task that is carried out."""
    asked = {"task_id": f"task-{number}", "prompt": f"[[say this is {number}]]", "workspace": "/workspaces"}
    assert container.finish(asked)["result"]["summary"] == f"this is {number}"


def test_a_replica_is_promoted_by_hand(image, services, tmp_path):
    """docs/runbooks/failover.md, without sentinels."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as lost:
        master = lost.enter_context(redis_in(services, tmp_path, more=f"--port {port} --bind 127.0.0.1"))
        with redis_in(services, tmp_path, "replica", more=f"--replicaof 127.0.0.1 {port}") as replica:
            container = start(image, services, tmp_path)
            say(container, 1)
            assert master("wait", "1", "20000").strip() == "1"
            lost.close()
            assert container.stop()[0] == 0
            assert replica("replicaof", "no", "one").strip() == "OK"
            assert replica("config", "get", "maxmemory-policy").split() == ["maxmemory-policy", "noeviction"]
            assert replica("config", "get", "appendonly").split() == ["appendonly", "yes"]
            container = start(image, services, tmp_path, "replica")
            try:
                assert container.call("/api/v1/tasks/task-1")[1]["result"]["summary"] == "this is 1"
                say(container, 2)
                assert container.stop()[0] == 0
            finally:
                container.kill()


def test_redis_gets_another_password_while_it_works(image, services, tmp_path):
    """docs/runbooks/key-rotation.md."""
    with redis_in(services, tmp_path, password="old-password") as redis:
        container = start(image, services, tmp_path, password="old-password")
        say(container, 1)
        redis("acl", "setuser", "default", ">new-password")
        say(container, 2)
        container.stop()
        container = start(image, services, tmp_path, password="new-password")
        try:
            redis("acl", "setuser", "default", "<old-password")
            say(container, 3)
            # Its own command line still shows the old one.
            assert "WRONGPASS" in redis("ping")
            assert container.stop()[0] == 0
        finally:
            container.kill()
