//! A server that is killed again and again, at moments that nobody chose, while callers and subscribers go on as if nothing
//! was: every task ends once, every subscriber's sequence is whole, nothing runs twice, no process is left.

mod callers;
mod conversations;
mod evidence;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testing::{pinned_cli, stub_agent, wait_until_none_mention};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::callers::{Caller, Followed};
use self::conversations::{Conversation, Written};
use crate::place::Place;

/// One run of the test.
struct Plan {
    sessions: usize,
    tasks_each: usize,
    kills: usize,
    /// A server lives between so long and twice as long, in milliseconds.
    life_ms: u64,
    /// All of it.
    patience: Duration,
    /// What the agent is told in a task: its name, and the file in which it leaves its traces.
    prompt: fn(&str, &Path) -> String,
}

impl Plan {
    fn bodies(&self, place: &Place) -> Vec<Vec<Value>> {
        let session = |session: usize| {
            let workspace = place.workspace("shared");
            let body = |number: usize| {
                let id = format!("s{session}-{number}");
                let prompt = (self.prompt)(&id, &traces(place));
                let on_restart = if (session + number).is_multiple_of(2) { "resume" } else { "interrupt" };
                let choice = if number == 0 {
                    json!({})
                } else {
                    json!({"reuse_existing": true, "session_id": format!("session-s{session}-0")})
                };
                json!({"task_id": id, "prompt": prompt, "workspace": workspace, "session": choice,
                    "options": {"on_restart": on_restart}})
            };
            (0..self.tasks_each).map(body).collect()
        };
        (0..self.sessions).map(session).collect()
    }
}

/// Agents may write in their workspace only.
fn traces(place: &Place) -> PathBuf {
    place.workspace("shared").join("traces")
}

/// Every next number is another, and the same in every run.
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

async fn play(plan: &Plan, place: &Place, cli: &Path) {
    let variables =
        [("TASK_MAX_QUEUE_SIZE", "1000"), ("SESSION_MAX_CONCURRENT", "8"), ("SERVER_LOG_LEVEL", "info")];
    let mut server = place.server(cli, &variables).await;
    let url = watch::Sender::new(server.url().to_owned());
    let caller = Arc::new(Caller::new(url.subscribe()));
    let mut submitters = JoinSet::new();
    let mut followers: JoinSet<(String, Followed)> = JoinSet::new();
    for bodies in plan.bodies(place) {
        for body in &bodies {
            let id = body["task_id"].as_str().expect("an id").to_owned();
            let caller = Arc::clone(&caller);
            followers.spawn(async move { (id.clone(), caller.follow(&id).await) });
        }
        let caller = Arc::clone(&caller);
        submitters.spawn(async move {
            for body in bodies {
                caller.submit(&body).await;
            }
        });
    }
    for kill in 0..plan.kills {
        // Not to wait for something: the moment is to be a random one.
        sleep(Duration::from_millis(plan.life_ms + mix(kill as u64) % plan.life_ms)).await;
        server.kill().await;
        server = place.server(cli, &variables).await;
        url.send_replace(server.url().to_owned());
    }
    while let Some(submitted) = submitters.join_next().await {
        submitted.expect("all tasks are admitted");
    }
    let mut followed = Vec::new();
    while let Some(task) = followers.join_next().await {
        followed.push(task.expect("all tasks end"));
    }
    assert_eq!(followed.len(), plan.sessions * plan.tasks_each);
    let conversations = Conversation::all(&place.agents_folder());
    for (id, followed) in &followed {
        let (status, task) = server.get(&format!("/api/v1/tasks/{id}")).await;
        assert_eq!(status, 200, "{id}");
        let written = conversations
            .iter()
            .map(|conversation| conversation.of(id))
            .fold(Written::default(), Written::and);
        followed.check(id, &task, &written);
        evidence::check_task(&traces(place), id, &task, &written);
    }
    evidence::check_conversations(&traces(place));
    assert_eq!(server.get("/health").await.1["active_tasks"], json!(0));
    server.terminate();
    assert_eq!(server.ended().await.code, Some(0));
    wait_until_none_mention(&place.agents_folder(), Duration::from_secs(5)).await;
}

#[tokio::test]
async fn two_hundred_tasks_and_their_readers_outlast_twenty_kills() {
    let plan = Plan {
        sessions: 20,
        tasks_each: 10,
        kills: 20,
        life_ms: 150,
        patience: Duration::from_secs(180),
        prompt: |id, traces| {
            let traces = traces.display();
            format!(
                "log {traces} begin-{id}; emit 20 100; sleep 15; emit 3 2000; log {traces} end-{id}; say {id}"
            )
        },
    };
    let place = Place::new();
    timeout(plan.patience, play(&plan, &place, &stub_agent())).await.expect("an end in time");
}

#[tokio::test]
async fn the_real_cli_goes_on_over_five_kills() {
    let plan = Plan {
        sessions: 4,
        tasks_each: 2,
        kills: 5,
        life_ms: 1_500,
        patience: Duration::from_secs(180),
        prompt: |id, traces| {
            let trace = |what: &str| {
                let line = format!("$(date +%s%N) $PPID $CLAUDE_CODE_SESSION_ID {what}-{id}");
                format!("[[bash echo \"{line}\" >> {}]]", traces.display())
            };
            format!("{} [[sleep 700]] {} [[say {id}]]", trace("begin"), trace("end"))
        },
    };
    let place = Place::new();
    timeout(plan.patience, play(&plan, &place, &pinned_cli())).await.expect("an end in time");
}
