use std::time::{Duration, Instant};

use agent::{Agent, Opening, Vitals};
use domain::ConversationId;

use crate::place::{PATIENCE, Place, Session};

async fn vitals(session: &Session<dyn Agent>, wanted: impl Fn(&Vitals) -> bool) -> Vitals {
    let start = Instant::now();
    loop {
        let vitals = session.agent.vitals().await.unwrap();
        if wanted(&vitals) {
            return vitals;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain, and saw {vitals:?}");
    }
}

#[tokio::test]
async fn an_agent_and_its_tools_are_told_apart() {
    let place = Place::new().await;
    let mut session = place.launch(place.spec(Opening::New(ConversationId::generate()))).await;
    let idle = session.agent.vitals().await.unwrap();
    assert!(idle.cpu > Duration::ZERO && idle.memory_bytes > 10_000_000, "{idle:?}");
    session.prompt("[[bash while ! test -e stop; do :; done]] [[say done]]").await;
    let busy =
        vitals(&session, |now| now.children_cpu > idle.children_cpu + Duration::from_millis(200)).await;
    assert!(busy.children > 0, "{busy:?}");
    std::fs::write(place.work().join("stop"), "").unwrap();
    assert_eq!(session.end_of_turn().await.end.text, "done");
    let after = vitals(&session, |now| now.children == 0).await;
    assert!(after.children_cpu >= busy.children_cpu, "what the command used is remembered: {after:?}");
    session.agent.stop(agent::Urgency::Now).await;
    assert!(session.agent.vitals().await.is_err());
}
