"""Where things are, and what the project says of itself."""

import os
import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
TOOLS = PROJECT / ".tools"


def tool(package, program):
    """A program of a Debian package that the set-up has unpacked, and the environment that it needs."""
    path = TOOLS / package / program
    assert path.is_file(), f"{path} is not there: deploy/test.sh fetches it"
    libraries = TOOLS / package / "usr/lib/x86_64-linux-gnu"
    return path, {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(libraries)}


def run(*command, **more):
    """Runs a command; gives its output, which is in the message when it fails."""
    ended = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    assert ended.returncode == 0, f"{command} ended with {ended.returncode}:\n{ended.stdout}"
    return ended.stdout


def documented_variables():
    """Each variable of docs/configuration.md, and whether it is a secret."""
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|(.*)\|$", (PROJECT / "docs/configuration.md").read_text(), re.M)
    assert len(rows) > 80, rows
    return {name: rest.rstrip().endswith("(secret)") for name, rest in rows}


def version():
    """Of the workspace."""
    return re.search(r'\[workspace\.package\]\nversion = "(.+)"', (PROJECT / "Cargo.toml").read_text()).group(1)
