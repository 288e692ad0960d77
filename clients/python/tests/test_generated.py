"""What is generated is what would be generated now, and the whole API is there."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

from claude_code_server_client import ClaudeServerClient, SyncClaudeServerClient
from claude_code_server_client._filters import ListFilters

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "src" / "claude_code_server_client"
DOCUMENT = HERE.parents[2] / "docs" / "openapi.json"

METHODS = {
    "all_events": ["get_all_events_page", "stream_all_events"],
    "all_socket": ["stream_all_events"],
    "answer_question": ["answer_question"],
    "capabilities": ["get_capabilities"],
    "change_task": ["change_priority"],
    "create_session": ["create_session"],
    "delete_session": ["delete_session"],
    "delete_task": ["delete_task"],
    "drain_instance": ["drain_instance"],
    "fork_session": ["fork_session"],
    "get_session": ["get_session"],
    "get_task": ["get_task_status"],
    "get_task_result": ["wait_for_task"],
    "health": ["health_check"],
    "interrupt_task": ["interrupt_task"],
    "issue_ticket": ["issue_ticket"],
    "list_instances": ["list_instances"],
    "list_sessions": ["list_sessions"],
    "list_tasks": ["list_tasks", "iter_tasks"],
    "ready": ["is_ready"],
    "send_message": ["send_message"],
    "session_transcript": ["get_transcript"],
    "submit_batch": ["submit_batch"],
    "submit_task": ["submit_task"],
    "task_events": ["get_events_page", "stream_progress"],
    "task_socket": ["stream_progress"],
    "undrain_instance": ["undrain_instance"],
}


def test_the_generated_files_are_up_to_date(tmp_path: Path) -> None:
    subprocess.run([sys.executable, HERE.parent / "generate.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.py")}
    assert len(made) == 7
    for name, text in made.items():
        assert (PACKAGE / name).read_text() == text, f"run generate.py: {name} is not up to date"


def test_each_operation_of_the_api_has_its_methods() -> None:
    paths = json.loads(DOCUMENT.read_text())["paths"]
    operations = {operation["operationId"] for path in paths.values() for operation in path.values()}
    assert operations == set(METHODS)
    methods = {name for names in METHODS.values() for name in names}
    for client in (ClaudeServerClient, SyncClaudeServerClient):
        public = {name for name, _ in inspect.getmembers(client, callable) if not name.startswith("_")}
        assert public - {"aclose", "close"} == methods


def test_lists_can_be_asked_for_what_the_api_offers() -> None:
    parameters = json.loads(DOCUMENT.read_text())["paths"]["/api/v1/tasks"]["get"]["parameters"]
    assert set(ListFilters.__annotations__) == {parameter["name"] for parameter in parameters}
