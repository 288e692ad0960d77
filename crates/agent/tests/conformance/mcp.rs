use agent::RmcpServer;
use agent::protocol::{HostRequest, LaunchOptions};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use serde_json::Value;

use crate::place::{Place, allowing};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Sum {
    a: i64,
    b: i64,
}

#[derive(Clone)]
struct Calculator;

#[tool_router]
impl Calculator {
    #[tool(description = "adds two numbers")]
    async fn add(&self, Parameters(Sum { a, b }): Parameters<Sum>) -> String {
        (a + b).to_string()
    }

    #[tool(description = "gives ten megabytes")]
    async fn much(&self) -> String {
        "x".repeat(10 * 1024 * 1024)
    }

    #[tool(description = "fails")]
    async fn fail(&self) -> Result<String, String> {
        Err("it broke".to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Calculator {}

#[tokio::test]
async fn tools_of_this_program_are_called() {
    let place = Place::new().await;
    let host = allowing().mcp_server("calc", RmcpServer::new(|| Calculator));
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let turn = session
        .turn(r#"[[tool mcp__calc__add {"a": 20, "b": 22}]] [[tool mcp__calc__fail {}]] [[say done]]"#)
        .await;
    let results = turn.results();
    assert_eq!(results[0], ("mcp__calc__add".to_owned(), "42".to_owned(), false));
    assert!(results[1].1.contains("it broke") && results[1].2, "{results:?}");
    let status = session.agent.request(&HostRequest::McpStatus).await.unwrap().unwrap();
    let status: Value = serde_json::from_str(status.get()).unwrap();
    assert_eq!(status["mcpServers"][0]["status"], "connected", "{status}");
    session.close().await;
}

#[tokio::test]
async fn a_tool_result_of_ten_megabytes_is_taken() {
    let place = Place::new().await;
    let host = allowing().mcp_server("calc", RmcpServer::new(|| Calculator));
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let turn = session.turn("[[tool mcp__calc__much {}]] [[say done]]").await;
    assert_eq!(turn.end.text, "done");
    // The CLI keeps what is too long for the model in a file, and says where.
    assert_eq!(turn.results().len(), 1);
    session.close().await;
}

#[tokio::test]
async fn two_agents_of_one_host_do_not_mix_their_calls() {
    let place = Place::new().await;
    let host = allowing().mcp_server("calc", RmcpServer::new(|| Calculator));
    let mut one = place.open(place.options(LaunchOptions::default()), host.clone()).await;
    let mut other = place.open(place.options(LaunchOptions::default()), host).await;
    let (first, second) = tokio::join!(
        one.turn(r#"[[tool mcp__calc__add {"a": 1, "b": 1}]] [[say done]]"#),
        other.turn(r#"[[tool mcp__calc__add {"a": 2, "b": 2}]] [[say done]]"#),
    );
    assert_eq!((first.results()[0].1.as_str(), second.results()[0].1.as_str()), ("2", "4"));
    one.close().await;
    other.close().await;
}
