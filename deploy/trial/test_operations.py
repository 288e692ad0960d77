"""What the runbooks say to do, done."""

import subprocess

from container import Container

DEMO = ["claude-code-server", "serve", "--demo"]
LOCAL = {"PUBLISHED_ON": "127.0.0.1"}
MEGABYTE = 1 << 20


def started(image, place, variables=LOCAL):
    """A server that is healthy, on the volumes below a folder."""
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    container = Container(image, place, variables, DEMO)
    container.wait_for("health", container.is_healthy)
    return container


def task(number):
    return {"task_id": f"task-{number}", "prompt": f"[[say this is {number}]]", "workspace": "/workspaces"}


def fill(file):
    """Writes until there is no room."""
    try:
        while file.write(b"x" * 4096):
            pass
    except OSError:
        pass


def test_a_full_disk_is_told_and_forgotten(image, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700,uid=10001,gid=10001", "data", data], check=True)
    try:
        container = started(image, tmp_path)
        assert container.finish(task(1))["result"]["summary"] == "this is 1"
        # Somebody else fills the disk.
        filler = data / "core"
        with filler.open("wb", buffering=0) as file:
            fill(file)
        refused = [container.call("/api/v1/tasks", {**task(number), "prompt": "x" * 100_000}) for number in range(2, 6)]
        assert [status for status, _ in refused][-1] in (500, 503), refused
        answered = [body["task_id"] for status, body in refused if status == 200]
        # Small ones fit in for a while, and then no more.
        small = {"prompt": "x", "workspace": "/workspaces"}
        container.wait_for("refusal", lambda: container.call("/api/v1/tasks", small)[0] == 503)
        container.wait_for("sign of it", lambda: container.call("/health")[1]["status"] != "healthy", within=5)
        for _ in range(20):
            told = [container.call("/api/v1/tasks", small)[0], container.call("/health")[1], container.call("/ready")[0]]
            reason = "the storage takes no writes (full, read-only or away): see the server's log"
            assert (told[0], told[1]["status"], told[1]["reasons"], told[2]) == (503, "degraded", [reason], 503), told
            assert container.metric("storage_up") == 0
        filler.unlink()
        # The runbook: it goes on by itself once there is room, or else is started.
        if container.launcher.poll() is not None:
            container = started(image, tmp_path)
        container.wait_for("health", lambda: container.call("/health")[1]["status"] == "healthy")
        assert (container.call("/ready")[0], container.metric("storage_up")) == (200, 1)
        assert container.finish(task(7))["result"]["summary"] == "this is 7"
        assert container.call("/api/v1/tasks/task-1")[1]["result"]["summary"] == "this is 1"
        for known in answered:
            assert container.call(f"/api/v1/tasks/{known}")[0] == 200
        assert container.stop()[0] == 0, container.log.read_text()
    finally:
        container.kill()
        subprocess.run(["umount", "--lazy", data], check=True)


def test_a_backup_is_restored_into_an_empty_volume(image, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    container = started(image, first)
    before = container.finish(task(1))
    said = container.execute("claude-code-server", "backup", "/data/copy")
    assert said[0] == 0, said
    container.stop()
    (second / "data").mkdir(mode=0o700)
    subprocess.run(["cp", "-a", first / "data/copy", second / "data/copy"], check=True)
    subprocess.run(["chown", "10001:10001", second / "data"], check=True)
    restore = Container(image, second, LOCAL, ["claude-code-server", "restore", "/data/copy"])
    assert restore.launcher.wait(timeout=30) == 0, restore.log.read_text()
    container = started(image, second)
    try:
        assert container.call("/api/v1/tasks/task-1")[1]["result"] == before["result"]
        again = {**task(2), "prompt": "[[history]]", "session": {"session_id": before["session_id"], "reuse_existing": True}}
        assert "this is 1" in container.finish(again)["result"]["summary"]
        assert container.stop()[0] == 0
    finally:
        container.kill()


def test_another_cli_is_taken_and_given_back(image, tmp_path):
    """docs/runbooks/cli-upgrade.md: the newer one is a program that calls itself so, and lies beside the old one."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    newer = data / "newer"
    newer.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo "9.9.9 (Claude Code)"\nexec /opt/claude-code/claude "$@"\n')
    newer.chmod(0o755)
    subprocess.run(["chown", "-R", "10001:10001", data], check=True)
    session, versions = None, []
    for number, variables in enumerate([LOCAL, {**LOCAL, "CLAUDE_CLI_PATH": "/data/newer"}, LOCAL]):
        container = started(image, tmp_path, variables)
        try:
            versions.append(container.call("/api/v1/capabilities")[1]["agent_version"])
            asked = {**task(number), "prompt": "[[history]]" if session else "[[say first]]"}
            if session:
                asked["session"] = {"session_id": session, "reuse_existing": True}
            ended = container.finish(asked)
            session = ended["session_id"]
            assert "first" in ended["result"]["summary"], ended
            assert container.stop()[0] == 0
        finally:
            container.kill()
    assert versions[0] == versions[2] != versions[1] == "9.9.9"
