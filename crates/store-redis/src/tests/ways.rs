//! Ways to Redis: by TLS with certificates of one's own, and by sentinels, over a failover.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use store::conformance::{NOW, append, claim, finish, id, spec, submit, submit_and_claim};
use store::{Signal, Store};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::server::command;
use super::{PATIENCE, becomes, encoded, read_all};
use crate::{Address, Certificates, InstanceSettings, OpenError, RedisSettings, RedisStore};

/// A process of Redis that is killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(arguments).arg("--dir").arg(folder);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("redis-server is there"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address").port()
}

/// Opens the store, as soon as Redis is there.
async fn open(settings: RedisSettings) -> RedisStore {
    let opened = async {
        loop {
            match RedisStore::open(settings.clone()).await {
                Ok(store) => return store,
                Err(OpenError::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
                Err(error) => unreachable!("{error}"),
            }
        }
    };
    timeout(PATIENCE, opened).await.expect("in time")
}

fn named(name: &str) -> InstanceSettings {
    InstanceSettings { name: Some(name.into()), ..InstanceSettings::default() }
}

/// An authority, and what it has signed for a server or a client at this machine.
fn certificates(folder: &Path) -> [PathBuf; 3] {
    let mut authority = CertificateParams::new([]).expect("names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // What bears the name of its own signer counts as signed by itself.
    authority.distinguished_name.push(DnType::CommonName, "authority");
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("signed");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("signed");
    let files = ["authority.pem", "own.pem", "key.pem"].map(|name| folder.join(name));
    for (file, text) in files.iter().zip([authority.pem(), own.pem(), key.serialize_pem()]) {
        std::fs::write(file, text).expect("written");
    }
    files
}

#[tokio::test]
async fn redis_is_reached_by_tls_with_certificates_of_ones_own_authority() {
    let folder = TempDir::new().expect("a folder");
    let [authority, own, key] = certificates(folder.path());
    let port = free_port();
    let text = |path: &PathBuf| path.display().to_string();
    let arguments = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "yes"];
    let files = [
        ("--tls-ca-cert-file", text(&authority)),
        ("--tls-cert-file", text(&own)),
        ("--tls-key-file", text(&key)),
    ];
    let mut all = arguments.to_vec();
    files.iter().for_each(|(name, file)| all.extend([name, file.as_str()]));
    let _redis = Process::start(folder.path(), &all);
    let own = Some((own, key));
    let settings = RedisSettings {
        host: "localhost".into(),
        port,
        tls: true,
        certificates: Certificates { authorities: Some(authority.clone()), own: own.clone() },
        instance: named("one"),
        ..RedisSettings::default()
    };
    let store = open(settings.clone()).await;
    let claimed = submit_and_claim(&store, "t").await;
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    finish(&store, &claimed, 1).await;
    becomes(&mut signal, |signal| signal.ended).await;

    // Who shows no certificate, or does not know the authority, gets nothing.
    for certificates in
        [Certificates { authorities: Some(authority), own: None }, Certificates { authorities: None, own }]
    {
        let stranger = RedisSettings { certificates, ..settings.clone() };
        let refused = RedisStore::open(stranger).await.expect_err("no trust");
        assert!(matches!(refused, OpenError::Unavailable(_)), "{refused}");
    }
    let missing = folder.path().join("missing.pem");
    let certificates = Certificates { authorities: Some(missing.clone()), own: None };
    let refused =
        RedisStore::open(RedisSettings { certificates, ..settings.clone() }).await.expect_err("no file");
    assert!(matches!(refused, OpenError::File { path, .. } if path == missing));
    std::fs::write(&missing, "no certificate").expect("written");
    let certificates = Certificates { authorities: Some(missing), own: None };
    let refused = RedisStore::open(RedisSettings { certificates, ..settings }).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn sentinels_lead_to_the_master_and_to_its_successor() {
    let folder = TempDir::new().expect("a folder");
    let place = |name: &str| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).expect("made");
        place
    };
    let [first, second, sentinel] = [free_port(), free_port(), free_port()].map(|port| port.to_string());
    let common =
        ["--bind", "127.0.0.1", "--appendonly", "yes", "--requirepass", "hush", "--masterauth", "hush"];
    let master = Process::start(&place("master"), &[&common[..], &["--port", &first]].concat());
    let follows = ["--port", &second, "--replicaof", "127.0.0.1", &first, "--repl-diskless-sync-delay", "0"];
    let _replica = Process::start(&place("replica"), &[&common[..], &follows].concat());
    // A sentinel asks its master for replicas seldom: it has to be there when it is asked first.
    replicated(&first, 1).await;
    let watches = place("sentinel").join("sentinel.conf");
    let text = format!(
        "port {sentinel}\nbind 127.0.0.1\nsentinel monitor ours 127.0.0.1 {first} 1\nsentinel auth-pass ours hush\n\
         sentinel down-after-milliseconds ours 500\nsentinel failover-timeout ours 3000\nrequirepass sesame\n"
    );
    std::fs::write(&watches, text).expect("written");
    let _sentinel = Process::start(folder.path(), &[&watches.display().to_string(), "--sentinel"]);
    let settings = |name: &str| RedisSettings {
        sentinels: vec![
            // One that is not there, first.
            Address { host: "127.0.0.1".into(), port: free_port() },
            Address { host: "127.0.0.1".into(), port: sentinel.parse().expect("a port") },
        ],
        sentinel_master: "ours".into(),
        sentinel_password: Some("sesame".into()),
        password: Some("hush".into()),
        lease: Duration::from_secs(30),
        instance: named(name),
        ..RedisSettings::default()
    };
    let one = open(settings("one")).await;
    let two = open(settings("two")).await;
    let claimed = submit_and_claim(&one, "t").await;
    let mut signal = two.watch(&id("t")).await.expect("available").expect("there");
    one.append(append(&claimed, 1..=3)).await.expect("written");
    replicated(&first, 1).await;
    drop(master);

    // The same lease goes on at the successor.
    let appended = async {
        while one.append(append(&claimed, 4..=4)).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, appended).await.expect("the successor takes over");
    becomes(&mut signal, |signal| signal.tail == 4).await;
    finish(&one, &claimed, 5).await;
    becomes(&mut signal, |signal| *signal == Signal { tail: 5, ended: true, interrupt_requested: false })
        .await;
    assert_eq!(read_all(&two, "t").await, encoded(1..=5));
    two.submit(submit(spec("u"))).await.expect("admitted");
    assert_eq!(claim(&one, NOW).await.task.spec.task_id, id("u"));
}

/// Waits until a replica has all that its master has.
async fn replicated(port: &str, replicas: u8) {
    let client = redis::Client::open(format!("redis://:hush@127.0.0.1:{port}")).expect("an address");
    let has = async || {
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut command = redis::cmd("WAIT");
        command.arg(replicas).arg(100).query_async::<u8>(&mut connection).await.ok()
    };
    let waited = async {
        while has().await != Some(replicas) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waited).await.expect("the replica follows");
}
