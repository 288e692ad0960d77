"""The Debian package in a Debian that boots with systemd: installed, started, worked with, removed."""

import os
import re
import shutil

import pytest

from booted import Booted
from machine import PROJECT, Machine, run

SERVICE = "claude-code-server"
STATE = "/var/lib/claude-code-server"
CLI = "/opt/claude-code/claude"
SECRET = "a-key-that-only-the-server-may-know"
# Answers come from the script, so that no key is needed; as an operator would change the unit.
DEMO = "[Service]\nExecStart=\nExecStart=/usr/bin/claude-code-server serve --demo\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory, server_binary, agent_cli):
    """A booted machine with the package."""
    folder = tmp_path_factory.mktemp("package")
    run(PROJECT / "scripts/package_deb.sh", server_binary.parent, folder, "--fast")
    (package,) = folder.glob("*.deb")
    machine = Machine(folder / "root", "bookworm")
    shutil.copy(package, machine.root / "package.deb")
    machine.inside("apt-get", "update", "-qq")
    # The booted machine has no network, so what the package depends on comes before.
    needed = [name.split()[0] for name in run("dpkg-deb", "--field", package, "Depends").split(",")]
    machine.inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", "systemd-sysv", "procps", *needed)
    booted = Booted(machine, folder / "log")
    try:
        booted.done("dpkg", "--install", "/package.deb")
        (machine.root / CLI.lstrip("/")).parent.mkdir(parents=True)
        shutil.copy(agent_cli, machine.root / CLI.lstrip("/"))
        yield booted
    finally:
        booted.end()


def property_of(machine, name):
    return machine.done("systemctl", "show", SERVICE, f"--property={name}", "--value").strip()


def carry_out(machine, prompt):
    """Runs a task in a workspace of the service; gives its exit code and what was shown."""
    return machine.run(SERVICE, "run", "--workspace", f"{STATE}/workspaces", prompt)


def start(machine):
    drop_in = machine.root / f"etc/systemd/system/{SERVICE}.service.d/demo.conf"
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(DEMO)
    with (machine.root / f"etc/{SERVICE}/environment").open("a") as file:
        file.write(f"OTEL_EXPORTER_OTLP_HEADERS=key={SECRET}\n")
    machine.done("systemctl", "daemon-reload")
    machine.done("systemctl", "start", SERVICE)


def test_it_is_installed_whole_and_not_started(machine):
    assert property_of(machine, "ActiveState") == "inactive"
    assert machine.run("systemctl", "is-enabled", SERVICE)[1].strip() == "disabled"
    environment = machine.root / f"etc/{SERVICE}/environment"
    assert (environment.stat().st_mode & 0o777, environment.stat().st_uid) == (0o600, 0)
    assert machine.done("systemd-analyze", "verify", "--man=no", f"{SERVICE}.service") == ""
    machine.done("dpkg", "--verify", SERVICE)
    assert machine.done("agent-worker", "--version").split()[0] == "agent-worker"


def test_the_unit_is_hardened(machine):
    said = machine.done("systemd-analyze", "security", "--no-pager", SERVICE)
    score = float(re.search(r"Overall exposure level for .*: ([0-9.]+)", said).group(1))
    assert score <= 1.8, said


def test_agents_work_under_the_unit(machine):
    start(machine)
    assert property_of(machine, "StatusErrno") == "0" and property_of(machine, "SubState") == "running"
    look = "id -un; git init -q repo && echo repository; touch /etc/x /usr/x /home/x; cat /proc/self/cgroup"
    code, said = carry_out(machine, f"[[write made.txt by an agent]][[bash ({look}) > seen.txt 2>&1]][[say ended]]")
    assert code == 0, said
    workspace = machine.root / f"{STATE}/workspaces".lstrip("/")
    assert (workspace / "made.txt").read_text().strip() == "by an agent"
    seen = (workspace / "seen.txt").read_text()
    assert seen.splitlines()[:2] == [SERVICE, "repository"], seen
    assert seen.count("Read-only file system") == 2 and "/home/x" in seen, seen
    # A control group of its own below the service's, by which it is killed whole.
    assert re.search(rf"^0::/system\.slice/{SERVICE}\.service/.+$", seen, re.M), seen
    assert "without control groups" not in machine.done("journalctl", "--no-pager", "-u", SERVICE)


def test_agents_cannot_read_the_services_secrets(machine):
    pid = property_of(machine, "MainPID")
    code, said = carry_out(machine, f"[[bash (cat /proc/{pid}/environ /etc/{SERVICE}/environment) > secrets.txt 2>&1]][[say looked]]")
    assert code == 0, said
    seen = (machine.root / f"{STATE}/workspaces/secrets.txt".lstrip("/")).read_text()
    files = (f"/proc/{pid}/environ", f"/etc/{SERVICE}/environment")
    assert seen.splitlines() == [f"cat: {file}: Permission denied" for file in files]
    assert SECRET.encode() in (open(f"/proc/{outside(machine, pid)}/environ", "rb").read())


def outside(machine, pid):
    """The number of a process of the machine, as it is seen from outside."""
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                status = open(f"/proc/{folder}/status").read()
            except OSError:
                continue
            numbers = re.search(r"^NSpid:\s+(.*)$", status, re.M).group(1).split()
            if numbers[-1] == pid and len(numbers) == 2 and "claude-code-ser" in status.splitlines()[0]:
                return folder
    raise AssertionError(f"no process {pid}")


def test_commands_are_run_as_the_service_is(machine):
    code, key = machine.run("claude-code-serverctl", "keys", "create", "alice")
    assert code == 0 and f"{STATE}/data/keys.json is new" in key, key
    assert "alice" in machine.done("claude-code-serverctl", "keys", "list")
    keys = machine.root / f"{STATE}/data/keys.json".lstrip("/")
    assert keys.stat().st_uid == (machine.root / f"{STATE}/data".lstrip("/")).stat().st_uid != 0
    machine.done("claude-code-serverctl", "keys", "revoke", "alice")
    # What the service's own file sets is in force, too.
    assert re.search(r"^CLAUDE_GATEWAY +on +\[environment\]$", machine.done("claude-code-serverctl", "config", "show"), re.M)


def test_the_timers_copy_can_be_restored(machine):
    machine.done("systemd-analyze", "verify", "--man=no", f"{SERVICE}-backup.timer", f"{SERVICE}-backup.service")
    machine.done("systemctl", "start", f"{SERVICE}-backup.service")
    (copy,) = (machine.root / f"{STATE}/backups".lstrip("/")).iterdir()
    machine.done("claude-code-serverctl", "restore", "--data-dir", f"{STATE}/restored", f"{STATE}/backups/{copy.name}")
    assert (machine.root / f"{STATE}/restored/tasks.sqlite".lstrip("/")).stat().st_size > 0


def test_it_is_reloaded_comes_back_and_ends_in_order(machine):
    machine.done("systemctl", "reload", SERVICE)
    assert property_of(machine, "SubState") == "running"
    before = property_of(machine, "MainPID")
    machine.done("systemctl", "kill", "--signal=KILL", "--kill-whom=main", SERVICE)
    for _ in range(200):
        if property_of(machine, "SubState") == "running" and property_of(machine, "MainPID") not in (before, "0"):
            break
        machine.done("sleep", "0.1")
    code, said = carry_out(machine, "[[say back]]")
    assert code == 0, said
    machine.done("systemctl", "stop", SERVICE)
    assert property_of(machine, "Result") == "success"
    assert machine.run("pgrep", "--uid", SERVICE)[1] == ""


def test_it_is_removed_cleanly_and_what_tasks_made_is_kept(machine):
    machine.done("systemctl", "start", SERVICE)
    machine.done("apt-get", "remove", "-y", "-qq", SERVICE)
    assert machine.run("pgrep", "--uid", SERVICE)[1] == ""
    assert not (machine.root / "usr/bin/claude-code-server").exists()
    assert not (machine.root / "usr/bin/agent-worker").exists()
    assert (machine.root / f"etc/{SERVICE}/environment").exists()
    machine.done("apt-get", "purge", "-y", "-qq", SERVICE)
    assert not (machine.root / f"etc/{SERVICE}/environment").exists()
    assert (machine.root / f"{STATE}/workspaces/made.txt".lstrip("/")).exists()
