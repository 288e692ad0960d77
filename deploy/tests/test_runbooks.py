"""The runbooks: whole, and exercised by tests that exist."""

import re

from project import PROJECT

RUNBOOKS = PROJECT / "docs/runbooks"
PARTS = ["What it means", "What to look at", "What to do", "Exercised by"]
NEEDED = {"failover", "restore", "key-rotation", "cli-upgrade", "draining", "disk-full", "model-api-down"}


def pages():
    return {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md") if path.name != "README.md"}


def is_there(test):
    """Whether a file has a test of that name."""
    file, _, name = test.partition("::")
    text = (PROJECT / file).read_text()
    return re.search(rf"\b(?:fn|def) {re.escape(name)}\(", text) is not None


def test_every_page_says_all_that_it_has_to():
    found = pages()
    assert NEEDED <= set(found)
    for name, text in found.items():
        assert re.findall(r"^## (.+)$", text, re.M) == PARTS, name


def test_what_exercises_a_page_exists():
    for name, text in pages().items():
        tests = re.findall(r"^- `(.+)`$", text.partition("## Exercised by")[2], re.M)
        assert tests and [test for test in tests if not is_there(test)] == [], name


def test_the_index_names_every_page_and_alert():
    index = (RUNBOOKS / "README.md").read_text()
    for name, text in pages().items():
        title = re.match(r"# (.+)\n", text).group(1)
        alerts = re.search(r"^Alert: (.+)$", text, re.M)
        assert f"| [{title}]({name}.md) | {alerts.group(1) if alerts else ''} |" in index
