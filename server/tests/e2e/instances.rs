//! Several servers on one Redis.

mod callers;
mod placement;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use testing::{EventStream, RedisServer, Server, ServerBuilder, Signal, wait_until_none_mention};

use crate::{BINARY, is_tool_use};

/// What the servers share.
struct Cluster {
    redis: RedisServer,
    workspaces: tempfile::TempDir,
    agents: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        Self { redis: RedisServer::start().await, workspaces: folder(), agents: folder() }
    }

    /// One more server with stub agents.
    async fn server(&self, agents: usize) -> Server {
        self.start_on(ServerBuilder::stub(BINARY), agents).await
    }

    /// It takes over from others after two seconds.
    async fn start_on(&self, builder: ServerBuilder, agents: usize) -> Server {
        self.on(builder, agents).start().await
    }

    fn on(&self, builder: ServerBuilder, agents: usize) -> ServerBuilder {
        builder
            .variable("STORAGE_TYPE", "redis")
            .variable("STORAGE_REDIS_URL", &self.redis.url())
            .variable("STORAGE_REDIS_LEASE_SECONDS", "2")
            .variable("STORAGE_AGENTS_DIR", &self.agents.path().display().to_string())
            .variable("WORKSPACE_ROOTS", &self.workspaces.path().display().to_string())
            .variable("SESSION_MAX_CONCURRENT", &agents.to_string())
    }

    fn workspace(&self, name: &str) -> PathBuf {
        let path = self.workspaces.path().join(name);
        std::fs::create_dir_all(&path).expect("made");
        path.canonicalize().expect("there")
    }

    fn task(&self, id: &str, prompt: &str) -> Value {
        json!({"task_id": id, "prompt": prompt, "workspace": self.workspace(id)})
    }
}

/// The only thing that a task that was cut off with its server is told to be.
fn assert_cut_off(complete: &Value) {
    let told = (&complete["status"], &complete["errors"]);
    let reason = json!(["interrupted: the server that ran it ended unexpectedly"]);
    assert_eq!(told, (&json!("interrupted"), &reason), "{complete}");
}

#[tokio::test]
async fn what_is_submitted_at_one_server_is_seen_and_stopped_at_another() {
    let cluster = Cluster::start().await;
    let servers = [cluster.server(1).await, cluster.server(1).await];
    for number in 0..6 {
        let body = cluster.task(&format!("t{number}"), "emit 50 40; say bye");
        servers[number % 2].submit(&body).await;
    }
    for number in 0..6 {
        let stream = servers[(number + 1) % 2].stream(&format!("t{number}"), "").await;
        let complete = stream.finish().await.assert_whole();
        assert_eq!((&complete["status"], &complete["summary"]), (&json!("completed"), &json!("bye")));
    }
    for id in ["x", "y"] {
        servers[0].submit(&cluster.task(id, "tool Bash; hold")).await;
        servers[1].stream(id, "").await.wait_for("its tool", is_tool_use).await;
    }
    for id in ["x", "y"] {
        // One of them runs at the other server.
        assert_eq!(servers[1].post(&format!("/api/v1/tasks/{id}/interrupt"), &json!({})).await.0, 200);
        let complete = servers[0].stream(id, "").await.finish().await.assert_whole();
        assert_eq!(complete["status"], json!("interrupted"), "{complete}");
    }
}

#[tokio::test]
async fn the_servers_are_listed_and_one_that_is_drained_is_handed_nothing() {
    let cluster = Cluster::start().await;
    let servers = [cluster.server(1).await, cluster.server(1).await];
    let (_, list) = servers[0].get("/api/v1/instances").await;
    let of =
        |this: bool| list["instances"].as_array().expect("a list").iter().find(|row| row["is_this"] == this);
    let (first, other) =
        (of(true).expect("itself").clone(), of(false).expect("the other")["instance_id"].clone());
    let told = (&first["alive"], &first["draining"], &first["active_tasks"], &first["workspace_roots"]);
    let roots = json!([cluster.workspaces.path()]);
    assert_eq!(told, (&json!(true), &json!(false), &json!(0), &roots), "{first}");
    let drain = format!("/api/v1/instances/{}/drain", other.as_str().expect("an id"));
    let drained = servers[0].post(&drain, &json!({})).await;
    assert_eq!(drained, (200, json!({"instance_id": other, "draining": true})));
    for id in ["a", "b"] {
        servers[1].submit(&cluster.task(id, "tool Bash; hold")).await;
    }
    servers[1].stream("a", "").await.wait_for("its tool", is_tool_use).await;
    // It hears of itself when it renews its lease.
    while servers[1].get("/health").await.1["draining"] != json!(true) {}
    let (_, list) = servers[1].get("/api/v1/instances").await;
    let at_work = |row: &Value| (row["draining"].clone(), row["active_tasks"].clone());
    let rows: Vec<_> = list["instances"].as_array().expect("a list").iter().map(at_work).collect();
    assert_eq!(rows, [(json!(false), json!(1)), (json!(true), json!(0))]);
    let undrained = Server::send(servers[1].request("DELETE", &drain)).await;
    assert_eq!(undrained, (200, json!({"instance_id": other, "draining": false})));
    servers[0].stream("b", "").await.wait_for("its tool", is_tool_use).await;
    let own = format!("/api/v1/instances/{}/drain", first["instance_id"].as_str().expect("an id"));
    assert_eq!(servers[0].post(&own, &json!({})).await.0, 200);
    assert_eq!(servers[0].get("/health").await.1["draining"], json!(true));
    let (status, refused) = servers[0].get("/ready").await;
    assert_eq!((status, &refused["detail"]), (503, &json!("the server drains: it is handed nothing more")));
    assert_eq!(Server::send(servers[0].request("DELETE", &own)).await.0, 200);
    assert_eq!(servers[0].get("/health").await.1["draining"], json!(false));
    assert_eq!(servers[0].get("/ready").await, (200, json!({"status": "ready"})));
    assert_eq!(servers[0].post("/api/v1/instances/nobody/drain", &json!({})).await.0, 404);
}

#[tokio::test]
async fn a_killed_servers_tasks_end_and_its_queue_moves() {
    let cluster = Cluster::start().await;
    let first = cluster.server(1).await;
    first.submit(&cluster.task("runs", "tool Bash; hold")).await;
    first.stream("runs", "").await.wait_for("its tool", is_tool_use).await;
    first.submit(&cluster.task("waits", "say bye")).await;
    let second = cluster.server(1).await;
    assert_eq!(second.stream("waits", "").await.finish().await.assert_whole()["summary"], json!("bye"));
    let stream = second.stream("runs", "").await;
    first.kill().await;
    assert_cut_off(&stream.finish().await.assert_whole());
}

/// When each process wrote into a log, in nanoseconds, by process.
fn writers(log: &str) -> BTreeMap<u32, (u64, u64)> {
    let mut writers = BTreeMap::new();
    for line in log.lines() {
        let mut words = line.split(' ');
        let at: u64 = words.next().and_then(|at| at.parse().ok()).expect("a time");
        let pid = words.next().and_then(|pid| pid.parse().ok()).expect("a process");
        let (_, last) = writers.entry(pid).or_insert((at, at));
        *last = at;
    }
    writers
}

#[tokio::test]
async fn a_server_that_stands_still_has_no_agent_beside_its_successors() {
    let cluster = Cluster::start().await;
    let first = cluster.server(1).await;
    let log = cluster.workspace("t").join("log");
    let prompt =
        format!("tool Bash; {}say bye", format!("log {} at-work; sleep 10; ", log.display()).repeat(600));
    let mut body = cluster.task("t", &prompt);
    body["options"] = json!({"on_restart": "resume"});
    first.submit(&body).await;
    first.stream("t", "").await.wait_for("its tool", is_tool_use).await;
    let second = cluster.server(1).await;
    first.signal(Signal::STOP);
    let complete = second.stream("t", "").await.finish().await.assert_whole();
    assert_eq!(complete["status"], json!("completed"), "{complete}");
    let writers = writers(&std::fs::read_to_string(&log).expect("a log"));
    let mut times: Vec<_> = writers.values().collect();
    times.sort();
    assert_eq!(times.len(), 2, "{writers:?}");
    assert!(times[0].1 < times[1].0, "two agents wrote at once: {writers:?}");
    first.signal(Signal::CONT);
    assert_eq!(first.stream("t", "").await.finish().await.assert_whole(), complete);
    first.submit(&cluster.task("u", "say bye")).await;
    assert_eq!(first.stream("u", "").await.finish().await.assert_whole()["summary"], json!("bye"));
}

#[tokio::test]
async fn a_session_that_began_at_a_dead_server_goes_on_at_another() {
    let cluster = Cluster::start().await;
    let first = cluster.start_on(ServerBuilder::demo(BINARY), 1).await;
    let session = json!({"reuse_existing": true, "session_id": "session-one"});
    let body = cluster.task("one", "[[say I will remember]]");
    first.submit(&body).await;
    assert_eq!(first.stream("one", "").await.finish().await.assert_whole()["status"], json!("completed"));
    let mut cut_off = cluster.task("two", "[[bash python3 -c 'import time; time.sleep(600)']] [[history]]");
    cut_off["session"] = session.clone();
    cut_off["workspace"] = body["workspace"].clone();
    first.submit(&cut_off).await;
    first.stream("two", "").await.wait_for("its tool", is_tool_use).await;
    let second = cluster.start_on(ServerBuilder::demo(BINARY), 1).await;
    first.kill().await;
    assert_cut_off(&second.stream("two", "").await.finish().await.assert_whole());
    let mut asks = cluster.task("three", "[[history]]");
    asks["session"] = session;
    asks["workspace"] = body["workspace"].clone();
    second.submit(&asks).await;
    let complete = second.stream("three", "").await.finish().await.assert_whole();
    let summary = complete["summary"].as_str().expect("a text");
    assert!(summary.starts_with("[[say I will remember]]\n[[bash"), "{complete}");
}

#[tokio::test]
async fn a_server_that_redis_is_gone_for_ends_its_agents_and_comes_back() {
    let cluster = Cluster::start().await;
    let server = crate::metrics::told(cluster.on(ServerBuilder::stub(BINARY), 2)).start().await;
    server.submit(&cluster.task("t", "tool Bash; hold")).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("its tool", is_tool_use).await;
    cluster.redis.signal(Signal::STOP);
    wait_until_none_mention(&cluster.agents.path().join("default"), Duration::from_secs(20)).await;
    let (status, refused) = server.post("/api/v1/tasks", &cluster.task("u", "say bye")).await;
    assert_eq!((status, &refused["detail"]), (503, &json!("the storage is not available")), "{refused}");
    let (status, health) = server.get("/health").await;
    let says = (status, &health["status"], &health["reasons"]);
    let reasons = json!(["the storage is slow: is its disk full, or busy?"]);
    assert_eq!(says, (503, &json!("unhealthy"), &reasons), "{health}");
    // Whoever restarts servers that hang goes by these: it does not.
    let metrics = reqwest::get(server.metrics_url().expect("metrics")).await.expect("an answer");
    assert_eq!(metrics.status(), 200);
    let text = crate::metrics::text(&server).await;
    let line = |name: &str| text.lines().find(|line| line.starts_with(name));
    assert_eq!((line("open_tasks{"), line("active_sessions ")), (None, None), "none would be a lie");
    assert_eq!(line("storage_up "), Some("storage_up 0"));
    assert_eq!(
        line("tasks_refused_total{reason=\"storage\"}"),
        Some("tasks_refused_total{reason=\"storage\"} 1")
    );
    cluster.redis.signal(Signal::CONT);
    assert_cut_off(&stream.finish().await.assert_whole());
    server.submit(&cluster.task("u", "say bye")).await;
    assert_eq!(server.stream("u", "").await.finish().await.assert_whole()["summary"], json!("bye"));
    assert_eq!(server.get("/health").await.0, 200);
}

#[tokio::test]
async fn a_redis_that_crashes_loses_nothing_and_holds_up_what_runs_for_a_moment() {
    let mut cluster = Cluster::start().await;
    let server = cluster.server(2).await;
    let prompt =
        format!("emit 200 40; wait {}; emit 200 40; say bye", cluster.workspace("t").join("go").display());
    server.submit(&cluster.task("t", &prompt)).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("half of it", |event| event["seq"] == 150).await;
    cluster.redis.restart().await;
    let complete = stream.finish().await.assert_whole();
    assert_eq!((&complete["status"], &complete["summary"]), (&json!("completed"), &json!("bye")));
}

#[tokio::test]
async fn without_redis_the_start_says_so_and_a_data_folder_is_one_servers() {
    let builder = |url: &str| {
        ServerBuilder::stub(BINARY).variable("STORAGE_TYPE", "redis").variable("STORAGE_REDIS_URL", url)
    };
    let (code, said) = builder("redis+unix:///nowhere/redis.sock").refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("STORAGE_TYPE=redis") && said.contains("/nowhere/redis.sock"), "{said}");
    let redis = RedisServer::start().await;
    let server = builder(&redis.url()).start().await;
    let data = server.folder().join("data").display().to_string();
    let (code, said) = builder(&redis.url()).variable("STORAGE_DATA_DIR", &data).refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another server uses"), "{said}");
}

#[tokio::test]
async fn an_agent_hears_what_is_said_at_another_server() {
    let cluster = Cluster::start().await;
    let servers = [
        cluster.start_on(ServerBuilder::demo(BINARY), 1).await,
        cluster.start_on(ServerBuilder::demo(BINARY), 1).await,
    ];
    let id = &servers[0].get("/api/v1/instances").await.1["instances"];
    let others = id.as_array().expect("a list").iter().find(|row| row["is_this"] == false).expect("another");
    let drain = format!("/api/v1/instances/{}/drain", others["instance_id"].as_str().expect("an id"));
    assert_eq!(servers[0].post(&drain, &json!({})).await.0, 200);
    let wait = "[[bash python3 -c 'while not __import__(\"os\").path.exists(\"go\"): __import__(\"time\").sleep(0.05)']]";
    servers[1].submit(&cluster.task("t", &format!("{wait} [[say first]]"))).await;
    let mut stream = servers[1].stream("t", "").await;
    stream.wait_for("its tool", is_tool_use).await;
    let message = json!({"text": "[[say heard it]]", "message_id": "0f8fad5b-d9cb-469f-a165-70867728950e"});
    for _ in 0..2 {
        let (status, receipt) = servers[1].post("/api/v1/tasks/t/messages", &message).await;
        assert_eq!((status, &receipt["message_id"]), (200, &message["message_id"]), "{receipt}");
    }
    std::fs::write(cluster.workspace("t").join("go"), "").expect("written");
    let finished = stream.finish().await;
    let told =
        finished.events().into_iter().filter(|event| event["data"]["subtype"] == "task_message").count();
    assert_eq!((told, &finished.assert_whole()["summary"]), (1, &json!("heard it")));
    assert_eq!(servers[1].post("/api/v1/tasks/t/messages", &json!({"text": "late"})).await.0, 409);
}

#[tokio::test]
async fn a_ticket_of_one_server_opens_its_stream_at_another_once() {
    let cluster = Cluster::start().await;
    let builder =
        || ServerBuilder::stub(BINARY).variable("API_AUTH_ENABLED", "true").variable("API_API_KEY", "right");
    let servers = [cluster.start_on(builder(), 1).await, cluster.start_on(builder(), 1).await];
    let submit = servers[0].request("POST", "/api/v1/tasks").bearer_auth("right");
    let (_, answer) = Server::send(submit.json(&cluster.task("t", "say bye"))).await;
    let url = answer["websocket_url"].as_str().expect("a URL");
    let address = |server: &Server| server.url().trim_start_matches("http://").to_owned();
    let elsewhere = url.replacen(&address(&servers[0]), &address(&servers[1]), 1);
    assert_ne!(url, elsewhere);
    let stream = EventStream::open(&elsewhere, &[]).await;
    assert_eq!(stream.finish().await.assert_whole()["summary"], json!("bye"));
    let (_, path) = url.split_once("/ws/").expect("a path");
    for server in &servers {
        assert_eq!(server.get(&format!("/ws/{path}")).await.0, 401, "it is used up");
    }
}

/// Kills one of three servers, lets another one stand still past its lease, and restarts Redis meanwhile.
#[tokio::test]
async fn whatever_dies_every_task_ends_once_and_no_session_has_two_agents() {
    const TASKS: usize = 24;
    let mut cluster = Cluster::start().await;
    let servers = [cluster.server(2).await, cluster.server(2).await, cluster.server(2).await];
    let log = cluster.workspace("log").join("log");
    for number in 0..TASKS {
        let work = format!("log {} at-work; emit 5 40; sleep 20; ", log.display()).repeat(40);
        let mut body = cluster.task(&format!("t{number}"), &format!("tool Bash; {work}say bye"));
        body["options"] = json!({"on_restart": if number % 2 == 0 { "resume" } else { "interrupt" }});
        servers[number % 3].submit(&body).await;
    }
    let mut streams = Vec::new();
    for number in 0..TASKS {
        streams.push(servers[0].stream(&format!("t{number}"), "").await);
    }
    let [_first, second, third] = servers;
    streams[0].wait_for("the middle of its work", |event| event["seq"] == 50).await;
    third.kill().await;
    // One that goes on, whichever server had it: what a killed server has interrupted ends where it was.
    streams[4].wait_for("the middle of its work", |event| event["seq"] == 50).await;
    second.signal(Signal::STOP);
    streams[6].wait_for("the middle of its work", |event| event["seq"] == 50).await;
    cluster.redis.restart().await;
    let mut ends = Vec::new();
    for stream in streams {
        ends.push(stream.finish().await.assert_whole()["status"].clone());
    }
    second.signal(Signal::CONT);
    for (number, end) in ends.iter().enumerate() {
        let stream = second.stream(&format!("t{number}"), "").await;
        assert_eq!(&stream.finish().await.assert_whole()["status"], end);
    }
    let resumed = ends.iter().step_by(2).filter(|status| *status == "completed").count();
    assert_eq!(resumed, TASKS / 2, "{ends:?}");
    let whole = std::fs::read_to_string(&log).expect("a log");
    let mut sessions: BTreeMap<&str, String> = BTreeMap::new();
    for line in whole.lines() {
        let session = line.split(' ').nth(2).expect("a session");
        let own = sessions.entry(session).or_default();
        own.push_str(line);
        own.push('\n');
    }
    assert!(sessions.len() >= TASKS / 2, "{}", sessions.len());
    for (session, log) in sessions {
        let mut times: Vec<_> = writers(&log).into_values().collect();
        times.sort_unstable();
        let apart = times.windows(2).all(|pair| pair[0].1 < pair[1].0);
        assert!(apart, "two agents wrote {session} at once: {times:?}");
    }
}
