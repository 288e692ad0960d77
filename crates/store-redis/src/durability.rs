//! What Redis is set to do with what it was told, as far as it says so.

use redis::Value;
use store::StoreError;

use crate::link::Link;
use crate::reply::Items;

/// What is wrong with how Redis keeps data. It may be forbidden to ask; that is said too.
pub(crate) async fn warnings(link: &Link) -> Result<Vec<String>, StoreError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("append*").arg("maxmemory-policy");
    let answer = match link.send(&command).await {
        Ok(Value::Array(items)) => Value::Array(items),
        Ok(_) => return Ok(vec![unknown()]),
        // A command that is forbidden or renamed is no failure of the store; silence is.
        Err(error) if error.0.contains("refused") => return Ok(vec![unknown()]),
        Err(error) => return Err(error),
    };
    let settings = Items::of(answer)?.each(|items| Ok((items.text()?, items.text()?)))?;
    Ok(judge(&settings))
}

fn unknown() -> String {
    "redis does not let this server read its configuration: make sure that appendonly is yes and maxmemory-policy is noeviction"
        .into()
}

fn judge(settings: &[(String, String)]) -> Vec<String> {
    let of =
        |name: &str| settings.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let mut warnings = Vec::new();
    if of("appendonly") != "yes" {
        warnings.push(
            "redis keeps no append-only file: a crash of it loses what was committed since its last snapshot; set appendonly yes"
                .into(),
        );
    } else if of("appendfsync") == "no" {
        warnings.push(
            "redis leaves it to the system when data reaches the disk: set appendfsync everysec or always"
                .into(),
        );
    }
    if of("maxmemory-policy") != "noeviction" {
        warnings.push(format!(
            "redis may drop keys when its memory is full (maxmemory-policy {}): set noeviction",
            of("maxmemory-policy")
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(appendonly: &str, appendfsync: &str, policy: &str) -> usize {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        judge(&[
            pair("appendonly", appendonly),
            pair("appendfsync", appendfsync),
            pair("maxmemory-policy", policy),
        ])
        .len()
    }

    #[test]
    fn what_may_lose_data_is_said() {
        assert_eq!(judged("yes", "everysec", "noeviction"), 0);
        assert_eq!(judged("yes", "always", "noeviction"), 0);
        assert_eq!(judged("yes", "no", "noeviction"), 1);
        assert_eq!(judged("no", "everysec", "noeviction"), 1);
        assert_eq!(judged("no", "no", "allkeys-lru"), 2);
    }
}
