//! A tool of this program, written with `rmcp`, that the agent calls.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod support;

use agent::protocol::{CanUseTool, PermissionAnswer, Prompt};
use agent::{Agent, Host, RmcpServer, Urgency};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use uuid::Uuid;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct City {
    name: String,
}

#[derive(Clone)]
struct Weather;

#[tool_router]
impl Weather {
    #[tool(description = "tells the weather of a city")]
    async fn weather(&self, Parameters(City { name }): Parameters<City>) -> String {
        format!("it rains in {name}")
    }
}

#[tool_handler]
impl ServerHandler for Weather {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = Host::new(async |_: CanUseTool| PermissionAnswer::allow())
        .mcp_server("weather", RmcpServer::new(|| Weather));
    let (agent, mut events) = support::launcher()?.start(support::options()?, host).await?;
    let text = r#"[[tool mcp__weather__weather {"name": "Bergen"}]] [[say done]]"#;
    agent.send(&Prompt::text(Uuid::new_v4(), text))?;
    let end = support::show_turn(&mut events).await?;
    println!("{:?}", end.ending);
    agent.stop(Urgency::Orderly).await;
    Ok(())
}
