//! Metrics, as Prometheus itself reads them.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use testing::{Server, ServerBuilder};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep};

use crate::{BINARY, task};

/// A program of the Debian package that the set-up unpacks.
fn tool(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools/prometheus/usr/bin").join(name);
    assert!(path.is_file(), "{name} is not there: run ./test.sh, which fetches it");
    path
}

/// On a port of their own.
pub(crate) fn told(builder: ServerBuilder) -> ServerBuilder {
    builder.variable("MONITORING_PROMETHEUS_ENABLED", "true").variable("MONITORING_PROMETHEUS_PORT", "0")
}

async fn measured() -> Server {
    let server = told(ServerBuilder::stub(BINARY)).start().await;
    server.submit(&task(&server, "done", "say hi; cost 0.25")).await;
    server.stream("done", "").await.finish().await.assert_whole();
    server.submit(&task(&server, "runs", "tool Bash; hold")).await;
    server.stream("runs", "").await.wait_for("its tool", crate::is_tool_use).await;
    server
}

pub(crate) async fn text(server: &Server) -> String {
    let url = server.metrics_url().expect("a port for metrics");
    let answer = reqwest::Client::builder().no_proxy().build().expect("a client").get(url).send();
    answer.await.expect("an answer").text().await.expect("a text")
}

#[tokio::test]
async fn promtool_has_nothing_to_say_against_them_and_labels_are_few() {
    let server = measured().await;
    for path in ["/a", "/b/%0a", "/api/v1/tasks/done", "/api/v1/tasks/nobody"] {
        server.get(path).await;
    }
    let text = text(&server).await;
    let mut promtool = Command::new(tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    promtool.stdin.take().expect("stdin").write_all(text.as_bytes()).await.expect("taken");
    let output = promtool.wait_with_output().await.expect("an end");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let mut routes: Vec<_> = text.lines().filter(|line| line.starts_with("http_requests_total")).collect();
    routes.sort_unstable();
    let expected = [
        r#"http_requests_total{method="GET",endpoint="/api/v1/tasks/{task_id}",status="200"} 1"#,
        r#"http_requests_total{method="GET",endpoint="/api/v1/tasks/{task_id}",status="404"} 1"#,
        r#"http_requests_total{method="GET",endpoint="/ws/tasks/{task_id}",status="101"} 2"#,
        r#"http_requests_total{method="GET",endpoint="none",status="404"} 2"#,
        r#"http_requests_total{method="POST",endpoint="/api/v1/tasks",status="200"} 2"#,
    ];
    assert_eq!(routes, expected);
    for line in [
        r#"tasks_total{status="completed"} 1"#,
        "tasks_duration_seconds_count 1",
        "task_cost_usd_total 0.25",
        "active_sessions 1",
        r#"open_tasks{state="running"} 1"#,
        "task_queue_wait_seconds_count 2",
        "agent_processes_left_total 0",
        "agent_orphan_processes 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    let (status, _) = server.post("/api/v1/tasks/runs/interrupt", &json!({})).await;
    assert_eq!(status, 200);
    let text = self::text(&server).await;
    for line in [r#"tasks_total{status="interrupted"} 1"#, "task_interrupt_duration_seconds_count 1"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}

#[tokio::test]
async fn tasks_that_are_refused_are_counted_alone_and_in_batches() {
    let builder = told(ServerBuilder::stub(BINARY)).variable("SERVER_DRAIN_SECONDS", "60");
    let builder = builder.variable("SESSION_MAX_CONCURRENT", "1").variable("TASK_MAX_QUEUE_SIZE", "2");
    let server = builder.start().await;
    let refused = async |expected: [u32; 3]| {
        let text = text(&server).await;
        let counted = text.lines().filter(|line| line.starts_with("tasks_refused_total"));
        let reasons = ["queue_full", "shutting_down", "storage"].into_iter().zip(expected);
        let mut expected: Vec<_> = reasons
            .map(|(reason, count)| format!("tasks_refused_total{{reason=\"{reason}\"}} {count}"))
            .collect();
        let mut counted: Vec<_> = counted.collect();
        counted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(counted, expected);
    };
    refused([0, 0, 0]).await;
    server.submit(&task(&server, "runs", "tool Bash; hold")).await;
    server.stream("runs", "").await.wait_for("its tool", crate::is_tool_use).await;
    let mut later = task(&server, "later", "say hi");
    later["depends_on"] = json!(["runs"]);
    for body in [later, task(&server, "waits", "say hi")] {
        server.submit(&body).await;
    }
    for line in [r#"open_tasks{state="scheduled"} 1"#, r#"open_tasks{state="waiting"} 1"#] {
        assert!(text(&server).await.lines().any(|found| found == line), "{line}");
    }
    assert_eq!(server.post("/api/v1/tasks", &task(&server, "more", "p")).await.0, 503);
    let batch = json!({"tasks": [task(&server, "one", "p"), task(&server, "waits", "say hi"), task(&server, "two", "p")]});
    assert_eq!(server.post("/api/v1/tasks/batch", &batch).await.0, 200);
    refused([3, 0, 0]).await;
    server.terminate();
    while server.get("/health").await.1["draining"] != json!(true) {}
    assert_eq!(server.post("/api/v1/tasks", &task(&server, "more", "p")).await.0, 503);
    assert_eq!(server.post("/api/v1/tasks", &json!({"prompt": ""})).await.0, 422);
    refused([3, 1, 0]).await;
    server.terminate();
    assert_eq!(server.ended().await.code, Some(0));
}

/// A Prometheus server that scrapes every second.
async fn prometheus(folder: &std::path::Path, target: &str) -> (Child, String) {
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: agents\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    std::fs::write(folder.join("prometheus.yml"), config).expect("written");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let child = Command::new(tool("prometheus"))
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={free}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a process");
    (child, format!("http://{free}/api/v1/query"))
}

#[tokio::test]
async fn a_prometheus_server_scrapes_them() {
    let server = measured().await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.metrics_url().expect("a port for metrics");
    let target = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let (_prometheus, query) = prometheus(folder.path(), target).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let asked = client.get(format!("{query}?query=sum(tasks_total)")).send().await;
        if let Ok(answer) = asked {
            let answer: Value = answer.json().await.unwrap_or_default();
            if answer["data"]["result"][0]["value"][1] == "1" {
                return;
            }
        }
        assert!(Instant::now() < deadline, "it was not scraped in time");
        sleep(Duration::from_millis(200)).await;
    }
}
