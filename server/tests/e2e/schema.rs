//! The API does what its document says, whatever it is asked: schemathesis makes requests of the document, valid and not.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use testing::ServerBuilder;
use tokio::process::Command;
use tokio::time::timeout;

use crate::BINARY;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      response_headers_conformance";
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn no_request_of_the_document_meets_an_answer_that_is_not_in_it() {
    let server = ServerBuilder::stub(BINARY).variable("TASK_MAX_QUEUE_SIZE", "100000").start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
    let program = root.join(".tools/schemathesis/bin/schemathesis");
    assert!(program.exists(), "schemathesis is not installed: ./test.sh does that");
    let output = Command::new(program)
        .args(["run", &format!("{}/openapi.json", server.url()), "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "1"])
        // Sockets are none of its business, and the feed waits as long as it is asked to.
        .args(["--exclude-path-regex", "^/ws/", "--exclude-path", "/api/v1/events"])
        .args(["--request-timeout", "70", "--no-color", "--warnings", "off"])
        .env_clear()
        .env("HOME", server.folder())
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHONUTF8", "1")
        .current_dir(server.folder())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.expect("an end in time").expect("a process");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("No issues found"), "{said}");
    assert_eq!(server.get("/health").await.0, 200);
}
