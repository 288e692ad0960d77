//! The `.env` file, as python-dotenv reads it: existing files were written for that.

mod statement;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use self::statement::{Statements, expanded};
use super::layers::{Layer, Origin};

/// What a `.env` file says; nothing when there is none. `named` gives variables of the environment, which its values may refer to.
pub(super) fn read(path: &Path, named: impl Fn(&str) -> Option<String>) -> Layer {
    let text = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Layer::default(),
        _ => {
            let fault = ".env cannot be read: make it a text file that the server may read".to_owned();
            return Layer { faults: vec![fault], is_incomplete: true, ..Layer::default() };
        }
    };
    let mut layer = Layer::default();
    let mut earlier = BTreeMap::new();
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    for (line, statement) in Statements::of(&text) {
        match statement {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                let value = expanded(&value, |name| earlier.get(name).cloned().or_else(|| named(name)));
                layer.take(name, value.clone(), Origin::DotEnv);
                earlier.insert(name.to_owned(), value);
            }
            // What stands there may be a secret.
            Err(wrong) => {
                layer.faults.push(format!(".env line {line} {wrong}"));
                layer.is_incomplete = true;
            }
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    fn layer(text: impl AsRef<[u8]>) -> Layer {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, text).expect("written");
        read(&path, |name| (name == "HOME").then(|| "/home/me".to_owned()))
    }

    /// What a text makes of a variable.
    fn value(text: &str) -> Option<String> {
        let mut layer = layer(text);
        assert_eq!(layer.faults, [] as [String; 0], "{text}");
        let name = reference::find("CLAUDE_DEFAULT_MODEL").expect("known").name;
        layer.settings.remove(name).map(|setting| setting.text)
    }

    #[test]
    fn values_are_what_python_dotenv_makes_of_them() {
        for (written, expected) in [
            ("pa$$word", "pa$$word"),
            ("abc$def", "abc$def"),
            (r#"["Read", "Write"] # as JSON"#, r#"["Read", "Write"]"#),
            (r"C:\new\table", r"C:\new\table"),
            (" a b \t", "a b"),
            ("a#b", "a#b"),
            ("#b", "#b"),
            ("a  # b # c", "a"),
            ("  # b", ""),
            ("", ""),
            ("a=b", "a=b"),
            ("it's", "it's"),
            (r"'a\nb \'c\' \\' # d", r"a\nb 'c' \"),
            (r#""a\nb \"c\" \\ \d" # d"#, "a\nb \"c\" \\ \\d"),
            ("\"a # b\"", "a # b"),
            ("'a\nb'", "a\nb"),
            ("\"a\r\nb\"\r\n", "a\nb"),
            ("''", ""),
            ("${HOME}/x", "/home/me/x"),
            ("'${HOME}'", "/home/me"),
            ("${NONE}x${NONE:-y z}${HOME:-y}", "xy z/home/me"),
            ("$HOME ${HOME", "$HOME ${HOME"),
            ("${HOME:+x} ${}", "${HOME:+x} "),
        ] {
            assert_eq!(
                value(&format!("CLAUDE_DEFAULT_MODEL={written}")).as_deref(),
                Some(expected),
                "{written}"
            );
        }
    }

    #[test]
    fn lines_are_what_python_dotenv_makes_of_them() {
        let expected = Some("m".to_owned());
        for text in [
            "CLAUDE_DEFAULT_MODEL=m",
            "\u{feff}CLAUDE_DEFAULT_MODEL=m\r\n",
            "  export\tCLAUDE_DEFAULT_MODEL = m",
            "'CLAUDE_DEFAULT_MODEL'=m",
            "# CLAUDE_DEFAULT_MODEL=n\n\n   # x\nCLAUDE_DEFAULT_MODEL=m\n",
            "FOO=a b\nBAR\nBAZ # x\nCLAUDE_DEFAULT_MODEL=m",
            "CLAUDE_DEFAULT_MODEL=n\rCLAUDE_DEFAULT_MODEL=m",
            "FOO=m\nCLAUDE_DEFAULT_MODEL=${FOO}",
            "FOO=\"\nCLAUDE_DEFAULT_MODEL=n\n\"\nCLAUDE_DEFAULT_MODEL=m",
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
        assert_eq!((value("CLAUDE_DEFAULT_MODEL"), value("export CLAUDE_DEFAULT_MODEL")), (None, None));
    }

    #[test]
    fn faults_name_their_line_and_the_rest_is_read() {
        let text = "API_API_KEY=\"hidden\nFOO='a\nb' hidden\nSERVER_PORT 8000\n=hidden\nSERVER_PORT=8001\n";
        let layer = layer(text);
        assert_eq!(
            layer.faults,
            [
                ".env line 1 opens a quote that is not closed: close it, or put a backslash before each quote within it",
                ".env line 2 goes on after the closing quote: put quotes around the whole value",
                ".env line 4 is not NAME=value: write it so, or put # before it",
                ".env line 5 is not NAME=value: write it so, or put # before it",
            ]
        );
        let texts: Vec<_> = layer.settings.values().map(|setting| setting.text.as_str()).collect();
        assert_eq!((texts, layer.is_incomplete), (vec!["8001"], true));
        assert_eq!(self::layer([0xff]).faults.len(), 1);
    }
}
