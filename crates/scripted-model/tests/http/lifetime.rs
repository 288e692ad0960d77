use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use scripted_model::{Options, ScriptedModel};

use super::{body, model};

/// Starts a request that is never answered, and gives it once the model has it.
async fn hanging(
    model: &ScriptedModel,
) -> tokio::task::JoinHandle<Result<reqwest::Response, reqwest::Error>> {
    let request =
        Client::new().post(format!("{}/v1/messages", model.base_url())).json(&body("[[hang]]", true));
    let hanging = tokio::spawn(request.send());
    let seen = model.wait_for_request(|request| request.last_user_text == "[[hang]]").await;
    assert_eq!(seen.status, None);
    hanging
}

async fn refuses(url: &str) -> bool {
    Client::new()
        .get(url)
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .is_err_and(|error| error.is_connect())
}

#[tokio::test]
async fn shutdown_closes_all_connections() {
    let model = model().await;
    let (url, hanging) = (model.base_url(), hanging(&model).await);
    model.shutdown().await;
    assert!(hanging.await.unwrap().is_err());
    assert!(refuses(&url).await);
}

#[tokio::test]
async fn so_does_a_drop() {
    let model = model().await;
    let hanging = hanging(&model).await;
    drop(model);
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let model = model().await;
    let port = model.base_url().rsplit_once(':').unwrap().1.parse().unwrap();
    let error = ScriptedModel::start(Options { port, ..Options::default() }).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{error}");
}

#[tokio::test]
async fn the_program_serves_until_it_is_told_to_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_scripted-model"));
        let mut child = program.env_clear().args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let answer = reqwest::get(url.trim()).await.map(|response| response.status().as_u16());
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait().unwrap();
        assert_eq!((answer.unwrap(), ended.code()), (200, Some(0)));
    }
}

#[test]
fn the_program_names_a_bad_scenario() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_scripted-model"));
    let output = program.env_clear().args(["--scenario", "/does/not/exist.json"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("/does/not/exist.json"), "{message}");
}
