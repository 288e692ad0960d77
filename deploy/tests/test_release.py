"""What is shipped: the packed server, the unit, the package's list."""

import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import tomllib

from conftest import CLEAN
from project import DEPLOY, PROJECT, documented_variables, run, version

TARGET = "x86_64-unknown-linux-gnu"
PROGRAMS = ("claude-code-server", "agent-worker")


def unit():
    """Keys and values of the unit; what is given several times is a list."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd/claude-code-server.service").read_text(), re.M):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def packed(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    for program in PROGRAMS:
        run("strip", "-o", folder / program, Path(binary).with_name(program))  # as what is shipped is
    run(PROJECT / "scripts/pack.sh", folder, TARGET, folder)
    return folder / f"claude-code-server-{version()}-{TARGET}.tar.gz"


def test_a_packed_server_is_whole_and_runs(packed, tmp_path):
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / packed.name.removesuffix(".tar.gz")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        ".env.example", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "agent-cli/package-lock.json",
        "agent-cli/package.json", "agent-worker", "claude-code-server", "claude-code-server.example.toml", "claude-code-server.service",
        "configuration.md",
    ]  # fmt: skip
    for program in PROGRAMS:
        assert run(folder / program, "--version", env=CLEAN).split() == [program, version()]


def test_the_same_commit_is_packed_to_the_same_bytes(tmp_path):
    for program in PROGRAMS:
        (tmp_path / program).write_text("any program")
    made = []
    for folder in ("one", "two"):
        run(PROJECT / "scripts/pack.sh", tmp_path, TARGET, tmp_path / folder)
        made += [path.read_bytes() for path in (tmp_path / folder).iterdir()]
    assert len(made) == 2 and made[0] == made[1]


def test_the_changelog_knows_the_version():
    assert re.search(rf"^## {re.escape(version())}\b", (PROJECT / "CHANGELOG.md").read_text(), re.M)


def test_the_unit_and_the_package_name_what_is_there():
    metadata = tomllib.loads((PROJECT / "server/Cargo.toml").read_text())["package"]["metadata"]["deb"]
    for source, _, _ in metadata["assets"]:
        assert source.startswith("target/") or list((PROJECT / "server").glob(source)), source
    assert set(metadata["conf-files"]) <= {f"/{target}" for _, target, _ in metadata["assets"]}
    given = {line.split("=", 1)[0] for line in unit()["Environment"]}
    assert given - {"HOME"} <= set(documented_variables())
    named = set(re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "systemd/environment").read_text(), re.M))
    assert named <= set(documented_variables())


def test_the_units_time_to_stop_is_longer_than_its_drain():
    drain = next(line for line in unit()["Environment"] if line.startswith("SERVER_DRAIN_SECONDS="))
    assert int(unit()["TimeoutStopSec"][0]) >= int(drain.split("=")[1]) + 15


def test_the_cli_is_installed_as_it_is_pinned(tmp_path):
    helper = tmp_path / "lib"
    (helper / "agent-cli").mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (helper / "agent-cli" / name).write_text((PROJECT / "agent-cli" / name).read_text())
    (helper / "install-cli").write_text((DEPLOY / "debian/install-cli").read_text())
    said = run("sh", helper / "install-cli", tmp_path / "cli")
    wanted = json.loads((PROJECT / "agent-cli/package.json").read_text())["dependencies"]["@anthropic-ai/claude-code"]
    assert said.splitlines()[-1].startswith(wanted)
    ended = subprocess.run([tmp_path / "cli/claude", "--version"], env={**CLEAN, "HOME": str(tmp_path)}, capture_output=True)
    assert ended.returncode == 0
