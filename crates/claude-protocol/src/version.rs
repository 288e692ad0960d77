//! The CLI's version, as `claude --version` prints it: `2.1.330 (Claude Code)`.

use std::fmt;
use std::str::FromStr;

/// The oldest CLI that this language was checked against.
pub const MINIMUM_VERSION: CliVersion = CliVersion { major: 2, minor: 1, patch: 330 };

/// A version of the CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CliVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a version of Claude Code: {0:?}")]
pub struct VersionError(String);

impl FromStr for CliVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || VersionError(text.chars().take(80).collect());
        let number = text.split_whitespace().next().ok_or_else(wrong)?;
        let mut parts = number.split(['.', '-', '+']).map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Ok(Self { major, minor, patch }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for CliVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_cli_prints() {
        let version = CliVersion { major: 2, minor: 1, patch: 330 };
        assert_eq!("2.1.330 (Claude Code)\n".parse(), Ok(version));
        assert_eq!("2.1.330-beta.1".parse(), Ok(version));
        assert_eq!("".parse::<CliVersion>(), Err(VersionError(String::new())));
        assert_eq!("bash: claude".parse::<CliVersion>(), Err(VersionError("bash: claude".into())));
        assert!(CliVersion { major: 2, minor: 0, patch: 999 } < MINIMUM_VERSION);
    }
}
