"""The image as it is run: nobody's rights, nothing to write to but the two volumes."""

import json
import os
import subprocess

import pytest

from container import Container

MODES = ["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"]
KEY = "the-key-that-may-do-everything-and-that-agents-must-not-see"
DEMO = ["claude-code-server", "serve", "--demo"]


@pytest.fixture
def start(image, tmp_path):
    """Starts it, on volumes that outlive it."""
    started = []
    # Whoever is in the container has to come through to the volumes.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)

    def begin(variables, is_to_serve=True, **more):
        container = Container(image, tmp_path, variables, DEMO, **more)
        started.append(container)
        if is_to_serve:
            container.wait_for("health", container.is_healthy)
        return container

    yield begin
    for container in started:
        container.kill()


def task(prompt, **options):
    """A task in the workspaces' volume."""
    return {"prompt": prompt, "workspace": "/workspaces", "options": options}


def local(**more):
    """What the compose file says when the port is the host's own."""
    return {"PUBLISHED_ON": "127.0.0.1", **more}


def test_every_permission_mode_works_without_rights_on_a_read_only_root(start):
    container = start(local(POLICY_PERMISSION_MODES=",".join(MODES)))
    assert container.call("/health")[1]["status"] == "healthy"
    for mode in MODES:
        prompt = f"[[write {mode}.txt from an agent]][[bash touch /usr/local/{mode}]][[say ended]]"
        ended = container.finish(task(prompt, permission_mode=mode, allowed_tools=["Bash", "Write"]))
        assert (ended["status"], ended["result"]["summary"]) == ("completed", "ended"), ended
    with_temporary_files = "[[bash mktemp && python3 -c 'import tempfile; tempfile.TemporaryFile()' && touch temporary.txt]][[say ended]]"
    container.finish(task(with_temporary_files, permission_mode="bypassPermissions"))
    made = container.execute("ls", "/workspaces")[1].split()
    assert sorted(made) == sorted(f"{made}.txt" for made in [*MODES, "temporary"] if made != "plan")
    assert "Read-only file system" in container.execute("touch", "/usr/local/anything")[1]
    assert {uid for _, uid, _, _ in container.processes()} == {container.user.split(":")[0]}
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{container.pid}/status") if ":\t" in line)
    assert [status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs")] == ["0" * 16, "0" * 16, "1"]


def test_the_server_is_process_1_reaps_what_agents_leave_and_ends_in_order(start):
    container = start(local())
    # Whoever starts something in the background and ends leaves it to process 1.
    ended = container.finish(task("[[bash (sleep 0.2 &) && (sleep 0.2 &)]][[say left]]", allowed_tools=["Bash"]))
    assert ended["status"] == "completed", ended
    assert container.processes()[0][0::3] == ["1", "claude-code-ser"]

    def is_clean():
        return not [one for one in container.processes() if one[2].startswith("Z") or one[3] == "sleep"]

    container.wait_for("end of what was left", is_clean)
    code, seconds = container.stop()
    assert code == 0 and seconds < 10, container.log.read_text()


def test_agents_start_where_processes_are_hidden(start):
    # The server may only be executed, so a child is hidden until its own program runs, for a moment too short to be met each time.
    container = start(local(SESSION_PREWARM="0"), hidepid=2)
    for number in range(12):
        ended = container.finish(task(f"[[say {number}]]"))
        assert (ended["status"], ended["result"]["summary"]) == ("completed", str(number)), ended


def test_agents_see_no_secret_of_the_server(start):
    container = start({"API_AUTH_ENABLED": "true", "API_API_KEY": KEY})
    look = "cat /proc/1/environ; cat /usr/local/bin/claude-code-server | wc -c; env; cat /proc/*/environ"
    prompt = f"[[bash ({look}) > seen.txt 2>&1]][[say looked]]"
    status, accepted = container.call("/api/v1/tasks", task(prompt, allowed_tools=["Bash"]), KEY)
    assert status == 200, accepted
    status, ended = container.call(f"/api/v1/tasks/{accepted['task_id']}/result?wait=60", key=KEY)
    assert ended["status"] == "completed", ended
    seen = container.execute("cat", "/workspaces/seen.txt")[1]
    assert "/proc/1/environ: Permission denied" in seen
    assert "claude-code-server: Permission denied" in seen
    assert KEY not in seen, seen
    # An engine gives the health check the container's environment, too. This one waits for its settings.
    probe = subprocess.Popen(container.entering(container.image.health[0], "--config", "-"), stdin=subprocess.PIPE)
    pid = container.wait_for("health check", lambda: container.execute("pgrep", "--full", "^ask-health")[1].strip())
    assert container.execute("cat", f"/proc/{pid}/environ") == (1, f"cat: /proc/{pid}/environ: Permission denied\n")
    probe.communicate()


def test_without_a_key_it_serves_only_where_its_port_is_the_hosts_own(start):
    container = start({"PUBLISHED_ON": "0.0.0.0"}, is_to_serve=False)
    assert container.launcher.wait(timeout=60) == 2
    assert "API_AUTH_ENABLED" in container.log.read_text()


def test_secrets_come_from_files_and_tasks_outlive_the_container(start, tmp_path):
    (tmp_path / "data").mkdir()
    secret = tmp_path / "data" / "key"
    secret.write_text(f"{KEY}\n")
    os.chmod(tmp_path / "data", 0o700)
    for path in (tmp_path / "data", secret):
        os.chown(path, 10001, 10001)
    variables = {"API_AUTH_ENABLED": "true", "API_API_KEY_FILE": "/data/key"}
    container = start(variables)
    assert container.call("/api/v1/tasks")[0] == 401
    status, accepted = container.call("/api/v1/tasks", task("[[say kept]]"), KEY)
    assert status == 200, accepted
    path = f"/api/v1/tasks/{accepted['task_id']}/result?wait=60"
    before = container.call(path, key=KEY)
    assert before[1]["status"] == "completed", before
    assert container.stop()[0] == 0
    assert start(variables).call(path, key=KEY) == before
    both = start({**variables, "API_API_KEY": KEY}, is_to_serve=False)
    assert both.launcher.wait(timeout=60) == 2
    assert "API_API_KEY and API_API_KEY_FILE are both set" in both.log.read_text()


def test_logs_are_a_json_object_a_line(start):
    container = start(local())
    container.stop()
    lines = [json.loads(line) for line in container.log.read_text().splitlines()]
    assert lines and all({"timestamp", "level", "message"} <= set(line) for line in lines)
