//! The program measures, reports and compares. Sizes are small: the figures say nothing, but each event was received and checked.

#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const ONLY: &str = "limit_relay,limit_http,idle,submit,stream,latency,interrupt,replay";

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().expect("the bench")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(path: &Path) -> Value {
    let path = path.display().to_string();
    let output = bench(&["run", "--quick", "--systems", "sqlite", "--only", ONLY, "--output", &path]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the run")).expect("JSON")
}

#[test]
fn a_run_is_measured_reported_and_not_compared_because_it_was_quick() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.json");
    let run = run(&path);
    let figures = run["figures"].as_array().expect("figures");
    let names: Vec<_> = figures.iter().map(|figure| figure["name"].as_str().expect("a name")).collect();
    for wanted in
        ["relay_events", "start_empty", "submit_p99_c32", "events_one_task", "latency_p50", "replay"]
    {
        assert!(names.contains(&wanted), "{wanted} is not among {names:?}");
    }
    assert_eq!((&run["format"], &run["quick"], &run["failures"]), (&json!(2), &json!(true), &json!([])));
    let [path, docs] = [path, folder.path().join("docs")].map(|path| path.display().to_string());
    let reported = bench(&["report", &path, &docs]);
    assert!(reported.status.success(), "{}", text(&reported.stderr));
    let page = std::fs::read_to_string(folder.path().join("docs/benchmarks.md")).expect("a page");
    for plot in ["events", "latency", "submit"] {
        assert!(page.contains(&format!("](benchmarks/{plot}.svg)")), "{page}");
        let drawn = std::fs::read_to_string(folder.path().join(format!("docs/benchmarks/{plot}.svg")));
        assert!(drawn.expect("a plot").contains("sqlite"));
    }
    seems_worse_and_is_not(run, folder.path());
    let compared = bench(&["compare", &path, &path]);
    let refused = "the figures of a quick run say nothing: make one without --quick\n".to_owned();
    assert_eq!((compared.status.code(), text(&compared.stderr)), (Some(2), refused));
}

/// Of a run one figure was better once. The same server measured twice in turns does not show it.
fn seems_worse_and_is_not(mut run: Value, folder: &Path) {
    run["quick"] = json!(false);
    let mut baseline = run.clone();
    let figures = baseline["figures"].as_array_mut().expect("figures");
    let memory = figures.iter_mut().find(|figure| figure["name"] == "idle_pss").expect("weighed");
    memory["value"] = json!(1.0);
    let [baseline, new] = [("baseline", baseline), ("new", run)].map(|(name, run)| {
        let path = folder.join(name).display().to_string();
        std::fs::write(&path, run.to_string()).expect("written");
        path
    });
    let compared = bench(&["compare", &baseline, &new]);
    assert_eq!(compared.status.code(), Some(1), "{}", text(&compared.stderr));
    let server = testing::server_program().display().to_string();
    let judged = bench(&["judge", &baseline, &new, "--before", &server, "--rounds", "1"]);
    let said = text(&judged.stdout);
    assert_eq!(judged.status.code(), Some(0), "{said}{}", text(&judged.stderr));
    assert!(said.starts_with("not worse: idle_pss (sqlite): "), "{said}");
    assert!(said.ends_with("measured in turns: 0 worse, 1 not, 0 failed\n"), "{said}");
    let refused = bench(&["judge", &baseline, &new, "--before", "/nowhere"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).starts_with("there is no server /nowhere: "), "{}", text(&refused.stderr));
}

#[test]
fn a_name_that_is_none_is_refused() {
    let output = bench(&["run", "--only", "replays"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("there is no measure replays: limit_pipe, "), "{said}");
}
