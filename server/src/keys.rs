//! `keys create`, `keys list` and `keys revoke`.

use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use auth::{KeyFile, KeyRecord, NewKey, Scopes};
use domain::{Clock, Principal, SystemClock, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::cli::{CreateKeyArguments, KeysArguments, KeysCommand, RevokeKeyArguments};
use crate::config;

const EXIT_FAILED: u8 = 1;
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn main(command: KeysCommand) -> ExitCode {
    let done = match command {
        KeysCommand::Create(arguments) => create(arguments),
        KeysCommand::List(arguments) => list(&arguments),
        KeysCommand::Revoke(arguments) => revoke(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A stderr that is gone has nobody to tell.
            drop(writeln!(io::stderr(), "claude-code-server: {error:#}"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn file(arguments: &KeysArguments) -> anyhow::Result<KeyFile> {
    let path = config::keys_file(arguments.keys_file.as_deref(), &arguments.data);
    Ok(KeyFile::new(path.map_err(|faults| anyhow::anyhow!(faults.join("; ")))?))
}

fn create(arguments: CreateKeyArguments) -> anyhow::Result<()> {
    let file = file(&arguments.keys)?;
    let is_new = !file.path().exists();
    let now = SystemClock.now();
    let principal = arguments.principal.as_deref().unwrap_or(&arguments.name);
    let principal = Principal::parse(principal)
        .with_context(|| format!("{principal:?} cannot be a principal: choose one with --principal"))?;
    if let Some(folder) = file.path().parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let new = NewKey {
        name: arguments.name,
        principal,
        scopes: arguments.scopes.into_iter().fold(Scopes::NONE, Scopes::and),
        expires_at: arguments
            .expires_in_days
            .map(|days| now.after(DAY * u32::try_from(days).unwrap_or(u32::MAX))),
        requests_per_minute: arguments.requests_per_minute,
        max_running: arguments.max_running,
    };
    let (record, text) = file.create(new, now)?;
    if is_new {
        // A command that was given other settings than the server makes keys that no server knows.
        let path = file.path().display();
        drop(writeln!(
            io::stderr(),
            "{path} is new: it has to be where the server looks (API_KEYS_FILE, or its STORAGE_DATA_DIR)"
        ));
    }
    if arguments.keys.json {
        let mut shown = shown(&record, now);
        shown["key"] = text.expose_secret().into();
        return print(&format!("{shown:#}"));
    }
    // The key alone is what a script takes.
    print(text.expose_secret())?;
    let note = format!(
        "key {} ({}) of principal {} with {}: note it down, it is not shown again",
        record.name, record.id, record.principal, record.scopes
    );
    drop(writeln!(io::stderr(), "{note}"));
    Ok(())
}

fn list(arguments: &KeysArguments) -> anyhow::Result<()> {
    let (keys, now) = (file(arguments)?.read()?, SystemClock.now());
    if arguments.json {
        return print(&format!("{:#}", keys.iter().map(|key| shown(key, now)).collect::<Value>()));
    }
    let mut lines = vec![row(["ID", "NAME", "PRINCIPAL", "STATE", "EXPIRES", "SCOPES"])];
    lines.extend(keys.iter().map(|key| {
        let expires = key.expires_at.map_or("never".to_owned(), |expires_at| expires_at.to_string());
        row([&key.id, &key.name, key.principal.as_str(), state(key, now), &expires, &key.scopes.to_string()])
    }));
    print(&lines.join("\n"))
}

fn row([id, name, principal, state, expires, scopes]: [&str; 6]) -> String {
    format!("{id:<12}  {name:<20}  {principal:<20}  {state:<8}  {expires:<24}  {scopes}")
}

fn revoke(arguments: &RevokeKeyArguments) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let key = file(&arguments.keys)?.revoke(&arguments.key, now)?;
    if arguments.keys.json {
        return print(&format!("{:#}", shown(&key, now)));
    }
    print(&format!("key {} ({}) is revoked", key.name, key.id))
}

/// A key without what is secret of it, nor its digest.
fn shown(key: &KeyRecord, now: Timestamp) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "principal": key.principal,
        "scopes": key.scopes,
        "state": state(key, now),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "requests_per_minute": key.requests_per_minute,
        "max_running": key.max_running,
    })
}

fn state(key: &KeyRecord, now: Timestamp) -> &'static str {
    match (key.revoked_at, key.fault(now)) {
        (Some(_), _) => "revoked",
        (None, Some(_)) => "expired",
        (None, None) => "active",
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("the output cannot be written")
}
