//! A server that tells the truth about itself.

use serde_json::json;
use testing::{ServerBuilder, stub_agent};

use crate::BINARY;

#[tokio::test]
async fn without_its_cli_a_server_is_degraded_and_not_ready() {
    let builder = ServerBuilder::stub(BINARY);
    let cli = builder.folder().join("agent");
    std::fs::copy(stub_agent(), &cli).expect("copied");
    let server = builder.variable("CLAUDE_CLI_PATH", &cli.display().to_string()).start().await;
    let (status, health) = server.get("/health").await;
    assert_eq!((status, &health["status"], &health["reasons"]), (200, &json!("healthy"), &json!([])));
    assert_eq!(server.get("/ready").await.0, 200);
    std::fs::remove_file(&cli).expect("removed");
    let (status, health) = server.get("/health").await;
    let reason = "the agent's CLI is not there: install it, or set CLAUDE_CLI_PATH";
    assert_eq!((status, &health["status"], &health["reasons"]), (200, &json!("degraded"), &json!([reason])));
    let (status, problem) = server.get("/ready").await;
    assert_eq!((status, &problem["detail"]), (503, &json!(reason)));
}
