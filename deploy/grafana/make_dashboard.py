#!/usr/bin/env python3
"""Makes dashboards/claude-code-server.json, which Grafana reads: deploy/grafana/make_dashboard.py > that file."""

import json

JOB = 'job=~"$job"'
HERE = 'job=~"$job",instance=~"$instance"'


def quantiles(metric, window="5m"):
    """Queries of the median and the slowest of a histogram."""
    rate = f"sum by (le) (rate({metric}_bucket{{{HERE}}}[{window}]))"
    return {f"p{q}": f"histogram_quantile(0.{q}, {rate})" for q in (50, 95, 99)}


# A row a heading: title, unit, queries by legend, and what it tells.
ROWS = {
    "Tasks": [
        ("Open tasks", "short", {"{{state}}": f"max by (state) (open_tasks{{{JOB}}})"},
         "Servers that share Redis all tell the same, so one of them counts. What is scheduled waits for its start_at or for other tasks."),
        ("Ended tasks a minute", "short", {"{{status}}": f"60 * sum by (status) (rate(tasks_total{{{HERE}}}[5m]))"}, ""),
        ("Share of failed tasks", "percentunit", {"failed": f"job:tasks_failed:ratio30m{{{JOB}}}"},
         "Of those that completed or failed within half an hour."),
        ("Refused tasks a minute", "short", {
            "{{reason}}": f"60 * sum by (reason) (rate(tasks_refused_total{{{HERE}}}[5m]))"},
         "That would be admitted another time. Callers were told to come again."),
        ("Wait for the first agent", "s", quantiles("task_queue_wait_seconds", "15m"),
         "From the admission on, so tasks with start_at or depends_on count with all of their time."),
        ("Work on a task", "s", quantiles("tasks_duration_seconds", "15m"), "All attempts."),
        ("Interrupt to end", "s", quantiles("task_interrupt_duration_seconds", "15m"), ""),
    ],
    "Agents": [
        ("Sessions at work", "short", {"sessions": f"max(active_sessions{{{JOB}}})"}, ""),
        ("Agents: at work, idle and prepared", "short", {"{{instance}}": f"agent_processes{{{HERE}}}"},
         "At most SESSION_MAX_CONCURRENT a server."),
        ("Memory of agents and their tools", "bytes", {"{{instance}}": f"agents_resident_memory_bytes{{{HERE}}}"},
         "Shared pages count for each process."),
        ("Processes of agents", "short", {
            "{{instance}}": f"agent_tree_processes{{{HERE}}}", "{{instance}} orphans": f"agent_orphan_processes{{{HERE}}}"}, ""),
        ("Processes that could not be ended", "short", {"{{instance}}": f"increase(agent_processes_left_total{{{HERE}}}[1h])"},
         "Within an hour. Each is a fault."),
    ],
    "Money": [
        ("Cost an hour", "currencyUSD", {"all": f"sum(increase(task_cost_usd_total{{{HERE}}}[1h]))"}, "Of ended tasks."),
        ("Tokens a minute", "short", {"{{type}}": f"60 * sum by (type) (rate(tokens_used_total{{{HERE}}}[5m]))"}, "Of ended tasks."),
    ],
    "Requests and streams": [
        ("Requests a second", "reqps", {"{{status}}": f"sum by (status) (rate(http_requests_total{{{HERE}}}[5m]))"}, ""),
        ("Requests a second, by endpoint", "reqps", {
            "{{method}} {{endpoint}}": f"sum by (method, endpoint) (rate(http_requests_total{{{HERE}}}[5m]))"}, ""),
        ("Time of requests", "s", quantiles("http_request_duration_seconds"), "Streams and waits left out."),
        ("Open streams", "short", {"{{instance}}": f"open_streams{{{HERE}}}"}, ""),
    ],
    "Events and storage": [
        ("Committed events a second", "short", {"{{instance}}": f"rate(events_committed_total{{{HERE}}}[5m])"}, ""),
        ("Time of a commit", "s", quantiles("event_commit_duration_seconds"), "The storage's part of the latency."),
        ("Agent's output to visible event", "s", quantiles("event_latency_seconds"), ""),
        ("Storage and lease", "short", {"{{instance}} storage": f"storage_up{{{HERE}}}", "{{instance}} lease": f"lease_held{{{HERE}}}"},
         "1 is well. Without its lease a server that shares its storage may run no task."),
        ("Disk of the data folder, left", "bytes", {
            "{{instance}}": f"data_disk_free_bytes{{{HERE}}}", "{{instance}} size": f"data_disk_size_bytes{{{HERE}}}"}, ""),
        ("Requests to the model API a minute", "short", {
            "{{outcome}}": f"60 * sum by (outcome) (rate(model_requests_total{{{HERE}}}[5m]))"},
         "Of agents, by the gateway; nothing without it."),
    ],
    "Servers": [
        ("Up", "short", {"{{instance}}": f"up{{{HERE}}}"}, ""),
        ("Uptime", "s", {"{{instance}}": f"uptime_seconds{{{HERE}}}"}, ""),
        ("Processor", "percentunit", {"{{instance}}": f"rate(process_cpu_seconds_total{{{HERE}}}[5m])"}, "1 is one processor."),
        ("Memory of the server", "bytes", {"{{instance}}": f"process_resident_memory_bytes{{{HERE}}}"}, ""),
        ("Open files", "short", {"{{instance}}": f"process_open_fds{{{HERE}}}"}, ""),
        ("Threads", "short", {"{{instance}}": f"process_threads{{{HERE}}}"}, ""),
    ],
}  # fmt: skip
SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number, place, title, unit, queries, tells):
    """A graph."""
    targets = [
        {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend, "datasource": SOURCE}
        for at, (legend, query) in enumerate(queries.items())
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "description": tells,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": targets,
    }


def panels():
    """Rows of three graphs each, below their headings."""
    made, y = [], 0
    for heading, row in ROWS.items():
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        made.append({"id": len(made) + 1, "type": "row", "title": heading, "collapsed": False, "gridPos": place, "panels": []})
        y += 1
        for at, content in enumerate(row):
            place = {"h": 8, "w": 8, "x": 8 * (at % 3), "y": y + 8 * (at // 3)}
            made.append(panel(len(made) + 1, place, *content))
        y += 8 * -(-len(row) // 3)
    return made


def choice(name, query):
    """A list of values to choose from."""
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard():
    """The whole page."""
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    choices = [choice("job", "label_values(open_tasks, job)"), choice("instance", 'label_values(open_tasks{job=~"$job"}, instance)')]
    return {
        "uid": "claude-code-server",
        "title": "Claude Code Server",
        "tags": ["claude-code-server"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, *choices]},
        "annotations": {"list": []},
        "panels": panels(),
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1))
