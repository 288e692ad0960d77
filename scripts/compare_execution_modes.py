"""Prints a table of the runs that scripts/compare-execution-modes.sh has made."""

import json
import pathlib
import statistics
import sys


def main() -> None:
    runs = [json.loads(path.read_text()) for path in pathlib.Path(sys.argv[1]).glob("*/summary.json")]
    modes = {mode: [run for run in runs if run["execution_mode"] == mode] for mode in ("server", "cli")}

    def every(mode: str, value) -> str:
        """What holds for every run, or from the least to the most."""
        found = sorted({value(run) for run in modes[mode]})
        return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"

    def seconds(mode: str, pick) -> str:
        return f"{pick([run['duration_seconds'] for run in modes[mode]]):.2f}"

    def lines(run: dict) -> str:
        return f"+{run['loc_changes']['added']} -{run['loc_changes']['removed']}"

    rows = [
        ("runs", lambda mode: str(len(modes[mode]))),
        ("`exit_code`", lambda mode: every(mode, lambda run: run["exit_code"])),
        ("files", lambda mode: every(mode, lambda run: ", ".join(file["path"] for file in run["files"]))),
        ("`loc_changes`", lambda mode: every(mode, lines)),
        ("`token_usage.total`", lambda mode: every(mode, lambda run: run["token_usage"]["total"])),
        ("`total_cost_usd`", lambda mode: every(mode, lambda run: round(run["total_cost_usd"], 4))),
        ("fields of `summary.json`", lambda mode: every(mode, lambda run: len(run))),
        ("`duration_seconds`, median", lambda mode: seconds(mode, statistics.median)),
        ("`duration_seconds`, least", lambda mode: seconds(mode, min)),
        ("`duration_seconds`, most", lambda mode: seconds(mode, max)),
    ]
    print("| | `server` | `cli` |\n|---|---|---|")
    for name, cell in rows:
        print(f"| {name} | {cell('server')} | {cell('cli')} |")


main()
