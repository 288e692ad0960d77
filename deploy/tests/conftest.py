"""The server that deployments are compared with."""

import json
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from project import PROJECT

# Not of this machine's environment, where keys may be.
CLEAN = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
NOBODY_BETWEEN = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, **headers):
    """The text at an address of this machine."""
    with NOBODY_BETWEEN.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.read().decode()


class Server:
    """The real server in demo mode, on free ports."""

    def __init__(self, binary, folder, variables):
        (folder / "work").mkdir()
        self.environment = {
            **CLEAN,
            "HOME": str(folder),
            "STORAGE_DATA_DIR": str(folder / "data"),
            "WORKSPACE_ROOTS": str(folder / "work"),
            "MONITORING_PROMETHEUS_PORT": "0",
            "MONITORING_LOGGING_FORMAT": "json",
            **variables,
        }
        self.binary, self.workspace = binary, folder / "work"
        self.process = subprocess.Popen(
            [binary, "serve", "--demo", "--port", "0"],
            env=self.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        urls, self.first_line = {}, None
        while len(urls) < 2:
            text = self.process.stdout.readline()
            assert text, f"the server ended with {self.process.wait()}"
            line = json.loads(text)
            self.first_line = self.first_line or text
            urls.update({line["message"]: line["url"]} if "url" in line else {})
        self.url, self.metrics_url = urls["listening"], urls["metrics are served"]

    def run(self, prompt):
        """Carries out a task."""
        command = [self.binary, "run", "--server", self.url, "--workspace", self.workspace, prompt]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def metrics(self):
        """The text that Prometheus reads."""
        return fetch(self.metrics_url)

    def stop(self):
        """Ends it in order."""
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.fixture(scope="session")
def binary():
    """The server, as cargo built it."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    path = os.environ.get("SERVER_BINARY") or target / "debug/claude-code-server"
    assert os.access(path, os.X_OK), f"{path} is not there: cargo build, or set SERVER_BINARY"
    return path


@pytest.fixture(scope="session")
def server(binary, tmp_path_factory):
    """One that has carried out a task."""
    cli = PROJECT / "agent-cli/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
    server = Server(binary, tmp_path_factory.mktemp("server"), {"CLAUDE_CLI_PATH": str(cli)})
    server.run("hello")
    yield server
    server.stop()
