"""Rules, dashboard and logs, against what a running server tells."""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse

import pytest
import yaml

from conftest import CLEAN, fetch
from project import DEPLOY, PROJECT, run, tool

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana/dashboards/claude-code-server.json"
# What Prometheus itself adds.
OWN = {"up"}
WORDS = {
    "sum", "max", "by", "on", "or", "and", "unless", "rate", "increase", "resets", "absent", "histogram_quantile", "clamp_min",
    "max_over_time",
}  # fmt: skip


def promtool(*arguments):
    program, environment = tool("prometheus", "usr/bin/promtool")
    return run(program, *arguments, env=environment, cwd=PROMETHEUS)


def rules():
    """Each rule of the rule files."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(PROMETHEUS.glob("rules/*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def panels():
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries():
    """All that is asked of Prometheus."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return shown + [rule["expr"] for rule in rules()]


def names_in(query):
    """The metrics that a query names."""
    without_labels = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)", "", query)
    return set(re.findall(r"(?<![\w.])[a-zA-Z_][a-zA-Z0-9_:]*", without_labels)) - WORDS


def told(server):
    """Names of samples, and each family with its labels, as the server tells them."""
    samples = {}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", server.metrics(), re.M):
        samples.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return samples


class Prometheus:
    """A real one that scrapes a server each second, with the project's rules."""

    def __init__(self, folder, target):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        scrape = {"job_name": "claude-code-server", "static_configs": [{"targets": [target]}]}
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(PROMETHEUS / "rules/*.yml")],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        program, _ = tool("prometheus", "usr/bin/prometheus")
        command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        command.append(f"--web.listen-address={self.url.removeprefix('http://')}")
        self.process = subprocess.Popen(command, env=CLEAN, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, query):
        """The samples of an instant query; none while it does not answer yet."""
        try:
            answer = json.loads(fetch(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
        except urllib.error.HTTPError as refused:
            assert refused.code == 503, (query, refused.read())
            return []
        except urllib.error.URLError:
            return []
        assert answer["status"] == "success", (query, answer)
        return answer["data"]["result"]

    def wait_for(self, query):
        """Asks until there is something."""
        deadline = time.monotonic() + 60
        while not (found := self.ask(query)):
            assert self.process.poll() is None and time.monotonic() < deadline, f"nothing is known of {query}"
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def prometheus(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    target = urllib.parse.urlsplit(server.metrics_url).netloc
    prometheus = Prometheus(folder, target)
    try:
        prometheus.wait_for("tasks_total")
        # What ends between two looks is what rates are made of.
        server.run("hello again")
        prometheus.wait_for('increase(tasks_total{status="completed"}[1m]) > 0')
        yield prometheus
    finally:
        prometheus.process.terminate()
        prometheus.process.wait()


def test_every_panel_shows_something(prometheus):
    for panel in panels():
        for target in panel["targets"]:
            prometheus.wait_for(target["expr"].replace("$job", ".*").replace("$instance", ".*"))


def test_every_recorded_number_is_there_and_no_alert_comes_without_need(prometheus):
    for rule in rules():
        if "record" in rule:
            prometheus.wait_for(rule["record"])
    groups = json.loads(fetch(f"{prometheus.url}/api/v1/rules"))["data"]["groups"]
    found = {(rule["name"], rule["health"], rule.get("state", "inactive")) for group in groups for rule in group["rules"]}
    expected = {(rule.get("record") or rule["alert"], "ok") for rule in rules()}
    # How full the disk of this machine is, is not the server's doing.
    assert {name for name, _, state in found if state != "inactive"} <= {"DiskFilling", "DiskFull"}
    assert {one[:2] for one in found} == expected


def test_names_are_found_in_queries():
    query = 'sum by (le) (rate(a_b_bucket{job=~"$job",x="sum"}[5m])) / on (job) (clamp_min(job:c:max, 1) > 0)'
    assert names_in(query) == {"a_b_bucket", "job:c:max"}


def test_every_metric_that_is_asked_for_is_told_by_the_server(server):
    known = set(told(server)) | {rule["record"] for rule in rules() if "record" in rule} | OWN
    missing = {(name, query) for query in queries() for name in names_in(query) - known}
    assert missing == set()


def test_every_metric_that_the_server_tells_is_on_the_dashboard(server):
    shown = {name for panel in panels() for target in panel["targets"] for name in names_in(target["expr"])}
    asked = shown | {name for rule in rules() if rule.get("record") in shown for name in names_in(rule["expr"])}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told(server)}
    assert families - {re.sub(r"_bucket$", "", name) for name in asked} == set()


def test_labels_that_are_asked_for_are_there(server):
    samples = told(server)
    for query in queries():
        for name, selected in re.findall(r"([a-z_]+)\{([^}]*)\}", query):
            if name in samples:
                asked = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selected)) - {"job", "instance"}
                assert asked <= samples[name], (query, name)


def test_promtool_accepts_rules_and_configuration():
    assert "FAILED" not in promtool("check", "config", "prometheus.yml")
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_every_alert_is_tried_where_it_comes_and_where_it_does_not():
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    tests = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
    tried = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in tried if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in tried if not case["exp_alerts"]} == alerts


def test_every_alert_says_how_bad_it_is_and_has_its_page():
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning"), rule
            page = PROJECT / rule["annotations"]["runbook"]
            assert f"`{rule['alert']}`" in page.read_text(), (rule["alert"], page)


def test_the_dashboard_is_the_one_that_is_made():
    assert DASHBOARD.read_text() == run("python3", DEPLOY / "grafana/make_dashboard.py")


def test_panels_do_not_lie_over_each_other():
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_grafana_is_told_where_prometheus_and_the_dashboard_are():
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in services
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/files.yml").read_text())["providers"][0]
    mounted = f"./deploy/grafana/dashboards:{provider['options']['path']}:ro"
    assert mounted in services["grafana"]["volumes"]


def test_log_lines_have_what_a_collector_looks_for(server):
    """Every line is an object; docs/operations.md shows a collector's settings."""
    line = json.loads(server.first_line)
    assert {"timestamp", "level", "message", "target"} <= set(line), line
