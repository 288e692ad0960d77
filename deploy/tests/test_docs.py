"""The documentation: every page in the site, every link leads somewhere, every block is what it says it is."""

import json
import os
import re
import subprocess

import pytest
import tomllib
import yaml

from conftest import CLEAN
from project import DEPLOY, PROJECT, TOOLS, documented_variables, run

DOCS = PROJECT / "docs"
# Their blocks are run, one after the other.
RUN = ["quick-start.md", "api.md"]
# Named in the pages, and not variables of the server: of Compose, or of the standard output's collector.
OTHERS = {
    "API_API_KEY_FILE", "SERVER_FLAGS", "SERVER_MEMORY", "WORKSPACES", "PUBLISHED_ON", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "CLAUDE_CONFIG_DIR",
}  # fmt: skip
PREFIXES = r"(?:SERVER|API|CLAUDE|STORAGE|TASK|SESSION|POLICY|MONITORING|OTEL|WORKSPACE|AGENT)"


def pages():
    """All pages; the summary is the site's list of them."""
    return sorted(path for path in DOCS.rglob("*.md") if path.name != "SUMMARY.md")


def blocks(path):
    """Language and text of each fenced block."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", path.read_text(), re.M | re.S)
    return [(language, re.sub(rf"^{indent}", "", text, flags=re.M)) for indent, language, text in found]


def follow_links(*arguments):
    run(TOOLS / "deploy/bin/lychee", "--offline", "--include-fragments", "--no-progress", *arguments)


def test_every_page_is_in_the_site():
    named = set(re.findall(r"\]\(([^)]+\.md)\)", (DOCS / "SUMMARY.md").read_text()))
    assert named == {str(path.relative_to(DOCS)) for path in pages()}


def test_the_site_is_built_without_a_warning(tmp_path):
    said = run(TOOLS / "cargo/bin/mdbook", "build", "--dest-dir", tmp_path, PROJECT)
    assert "WARN" not in said and "ERROR" not in said, said
    # What is beside the pages in the repository is not in the site.
    follow_links("--exclude", r"\.env\.example$", "--root-dir", tmp_path, tmp_path)


def test_every_link_in_the_repository_leads_somewhere():
    others = [PROJECT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deploy/kubernetes/README.md")]
    follow_links(*others, *pages())


def test_blocks_are_what_they_say():
    readers = {"yaml": yaml.safe_load, "json": json.loads, "toml": tomllib.loads}
    for path in [*pages(), PROJECT / "README.md", DEPLOY / "kubernetes/README.md"]:
        for language, text in blocks(path):
            if language in ("sh", "bash"):
                run("bash", "-n", input=text)
            elif language == "console":
                assert all(line.startswith("$ ") for line in text.splitlines()), (path, text)
            elif language in readers:
                readers[language](text)
            else:
                assert language in ("text", "river", "mermaid"), (path, language)


@pytest.mark.parametrize("page", RUN)
def test_blocks_do_what_they_say(server, page, tmp_path):
    (tmp_path / "claude-code-server").symlink_to(server.binary)
    workspace = server.workspace / page
    workspace.mkdir()
    environment = {**CLEAN, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CLAUDE_SERVER_URL": server.url, "no_proxy": "127.0.0.1"}
    scripts = [text for language, text in blocks(DOCS / page) if language == "sh"]
    assert len(scripts) >= 5
    for script in scripts:
        here = script.replace("localhost:8000", server.url.removeprefix("http://"))
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", here], env=environment, cwd=workspace, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
        assert '"status":"failed"' not in ended.stdout, ended.stdout


def test_variables_that_are_named_exist():
    known = set(documented_variables()) | OTHERS
    for path in pages():
        named = set(re.findall(rf"\b{PREFIXES}_[A-Z][A-Z_]+\b(?!\*)", path.read_text()))
        assert named <= known, (path.name, named - known)
