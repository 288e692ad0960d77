//! Several turns with one process, which then ends; another one resumes the conversation.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod support;

use agent::protocol::{Conversation, Prompt};
use agent::{Agent, Host, Urgency};
use uuid::Uuid;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let launcher = support::launcher()?;
    let id = Uuid::new_v4();
    let mut options = support::options()?;
    options.launch.conversation = Conversation::New(id);
    let (agent, mut events) = launcher.start(options, Host::denying()).await?;
    for text in ["[[say My name is Ada.]]", "[[say I like engines.]]"] {
        agent.send(&Prompt::text(Uuid::new_v4(), text))?;
        support::show_turn(&mut events).await?;
    }
    agent.stop(Urgency::Orderly).await;
    drop(agent);

    let mut options = support::options()?;
    options.launch.conversation = Conversation::Resume(id);
    let (agent, mut events) = launcher.start(options, Host::denying()).await?;
    agent.send(&Prompt::text(Uuid::new_v4(), "[[history]]"))?;
    let end = support::show_turn(&mut events).await?;
    println!("resumed: {}", end.text.replace('\n', " / "));
    agent.stop(Urgency::Orderly).await;
    Ok(())
}
