"""The package as a new user has it: built, installed into a clean environment, tried with the README's example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .binaries import REPOSITORY, pinned_cli
from .running_server import RunningServer

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, so that this is complete, too; that is beside it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PROJECT], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_its_types_and_its_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = PROJECT / "src" / "claude_code_server_client"
    sources = [*package.rglob("*.py"), package / "py.typed"]
    expected = {str(path.relative_to(package.parent)) for path in sources}
    assert {name for name in names if not name.partition("/")[0].endswith(".dist-info")} == expected
    described = {name.partition("/")[2] for name in names - expected}
    assert described == {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE-APACHE", "licenses/LICENSE-MIT"}
    (source,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE-APACHE", "LICENSE-MIT", "README.md", "examples/example_client.py"} <= packed
    for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
        assert (PROJECT / licence).read_bytes() == (REPOSITORY / licence).read_bytes()


def test_the_readmes_example_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text()
    example = (PROJECT / "examples" / "example_client.py").read_text()
    code = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)[0]
    assert example.partition('"""\n\n')[2] == code
    environment = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PIP_", "SSL_"))}
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, *install, wheel], check=True, env=environment)
    with RunningServer(tmp_path / "server", cli=pinned_cli()) as server:
        answer = subprocess.run(
            [python, "-c", code],
            env={**environment, "CLAUDE_SERVER_URL": server.url},
            cwd=server.workspace,
            check=True,
            capture_output=True,
            text=True,
        )
        assert (server.workspace / "hello.py").is_file()
        # Each event comes when it happens, through a pipe, too; and a reader that has seen enough is no fault.
        cut = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", '"$0" -c "$1" | head -n 1', python, code],
            env={**environment, "CLAUDE_SERVER_URL": server.url},
            cwd=server.workspace,
            check=False,
            capture_output=True,
            text=True,
        )
        assert (cut.returncode, len(cut.stdout.splitlines()), cut.stderr) == (141, 1, "")
    lines = answer.stdout.splitlines()
    assert lines[-1].startswith("completed (0): I created hello.py")
    assert any(line.startswith("-> Write ") for line in lines)
    assert answer.stderr == ""
