//! The scripts themselves.

use super::server::Server;
use crate::scripts::Scripts;

#[tokio::test]
async fn every_script_is_understood_by_redis() {
    let server = Server::start("no");
    let client = redis::Client::open(server.url()).expect("a valid address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("it runs");
    for (name, script) in Scripts::default().all() {
        let loaded = script.load_async(&mut connection).await;
        assert_eq!(loaded, Ok(script.get_hash().to_owned()), "{name}");
    }
}
