//! One prompt, one answer: `one_shot "Create hello.txt"`.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod support;

use agent::protocol::{CanUseTool, PermissionAnswer, Prompt};
use agent::{Agent, Host, Urgency};
use uuid::Uuid;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let text = std::env::args().nth(1).unwrap_or_else(|| "Create hello.txt".to_owned());
    let host = Host::new(async |_: CanUseTool| PermissionAnswer::allow());
    let (agent, mut events) = support::launcher()?.start(support::options()?, host).await?;
    agent.send(&Prompt::text(Uuid::new_v4(), &text))?;
    let end = support::show_turn(&mut events).await?;
    println!("{:?} for ${:.4}", end.ending, end.cost_usd);
    let receipt = agent.stop(Urgency::Orderly).await;
    println!("{} processes left", receipt.processes_left);
    Ok(())
}
