//! Scenario files: scripts that are chosen by rules instead of standing in the prompt.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::bounded::BoundedMap;
use crate::directive::Malformed;
use crate::request::MessagesRequest;
use crate::script::Script;

/// How many prompts are remembered with the rule they took.
const REMEMBERED: usize = 16_384;

/// Rules that give prompts a script. See the crate's documentation for the file format.
#[derive(Debug, Clone)]
pub struct Scenario {
    name: String,
    rules: Vec<Rule>,
    default: Option<Script>,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not JSON, or a field is missing, unknown or of the wrong type. The message names line and column.
    #[error("the scenario's field {field} is wrong: {source}")]
    Json {
        /// The path of the field, such as `rules[0].steps`; `.` for the whole document.
        field: String,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// A list of steps is empty or holds something that is not a directive.
    #[error("the scenario's {field} cannot be followed: {reason}")]
    Steps {
        /// The path of the list, such as `rules[0].steps`.
        field: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
}

#[derive(Debug, Clone)]
struct Rule {
    when: Match,
    script: Script,
    times: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    rules: Vec<FileRule>,
    default: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    #[serde(rename = "match", default)]
    when: Match,
    steps: Vec<String>,
    times: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    prompt_contains: Option<String>,
    model: Option<String>,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Scenario::from_str`](std::str::FromStr).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        text.parse()
    }

    /// The scenario's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::str::FromStr for Scenario {
    type Err = ScenarioError;

    /// Reads the text of a scenario file.
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let file: File = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            ScenarioError::Json { field: error.path().to_string(), source: error.into_inner() }
        })?;
        json.end().map_err(|source| ScenarioError::Json { field: ".".to_owned(), source })?;
        let rules = file.rules.into_iter().enumerate().map(|(index, rule)| {
            let script = script(&format!("rules[{index}].steps"), &rule.steps)?;
            Ok(Rule { when: rule.when, script, times: rule.times })
        });
        Ok(Self {
            name: file.name,
            rules: rules.collect::<Result<_, ScenarioError>>()?,
            default: file.default.map(|steps| script("default", &steps)).transpose()?,
        })
    }
}

fn script(field: &str, steps: &[String]) -> Result<Script, ScenarioError> {
    let refuse = |field: String, reason: &str| ScenarioError::Steps { field, reason: reason.to_owned() };
    if steps.is_empty() {
        return Err(refuse(field.to_owned(), "it needs at least one directive"));
    }
    if let Some(index) = steps.iter().position(|step| !step.contains("[[")) {
        return Err(refuse(format!("{field}[{index}]"), "it has no [[...]] directive"));
    }
    Script::read(&steps.join("\n")).map_err(|error: Malformed| refuse(field.to_owned(), &error.to_string()))
}

impl Match {
    fn fits(&self, request: &MessagesRequest) -> bool {
        let contains =
            |text: &str, part: &Option<String>| part.as_ref().is_none_or(|part| text.contains(part.as_str()));
        contains(&request.conversation.prompt, &self.prompt_contains) && contains(&request.model, &self.model)
    }
}

/// A scenario in use: it knows which prompt took which rule.
#[derive(Debug)]
pub(crate) struct Rules {
    scenario: Scenario,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    /// The rule of each prompt; none when no rule was left for it.
    by_prompt: BoundedMap<u64, Option<usize>>,
    /// How many prompts took each rule.
    counts: Vec<usize>,
}

impl Rules {
    /// Begins to use a scenario.
    pub(crate) fn new(scenario: Scenario) -> Self {
        let counts = vec![0; scenario.rules.len()];
        Self { scenario, taken: Mutex::new(Taken { by_prompt: BoundedMap::new(REMEMBERED), counts }) }
    }

    /// The script for the request's prompt; the same for all steps of that prompt.
    pub(crate) fn script(&self, request: &MessagesRequest) -> Option<&Script> {
        let key = request.conversation.key;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = match taken.by_prompt.get(&key) {
            Some(rule) => *rule,
            None => {
                let rule = self.choose(request, &taken.counts);
                taken.by_prompt.insert(key, rule);
                if let Some(count) = rule.and_then(|index| taken.counts.get_mut(index)) {
                    *count += 1;
                }
                rule
            }
        };
        rule.and_then(|index| self.scenario.rules.get(index))
            .map(|rule| &rule.script)
            .or(self.scenario.default.as_ref())
    }

    fn choose(&self, request: &MessagesRequest, counts: &[usize]) -> Option<usize> {
        self.scenario.rules.iter().zip(counts).position(|(rule, count)| {
            rule.times.is_none_or(|times| *count < times) && rule.when.fits(request)
        })
    }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
