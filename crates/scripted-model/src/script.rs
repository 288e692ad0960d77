//! Groups directives into steps: one step is one response of the model.

use std::time::Duration;

use crate::directive::{Directive, Fault, Malformed, ToolCall, parse};

/// What a script says when it has nothing left to say.
const ALL_DONE: &str = "All done.";

/// The responses to one prompt, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Script {
    steps: Vec<Step>,
}

/// One response: what precedes it, what it holds, what goes wrong with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Step {
    /// Before the response headers.
    pub(crate) delay: Duration,
    pub(crate) thinking: Vec<String>,
    pub(crate) content: Vec<Content>,
    pub(crate) tools: Vec<ToolCall>,
    /// Silence in mid-stream.
    pub(crate) stall: Duration,
    /// In order; the first that is not used up happens.
    pub(crate) faults: Vec<Fault>,
    /// Reported input and output tokens.
    pub(crate) usage: Option<(u64, u64)>,
    pub(crate) stop_reason: Option<String>,
}

/// A piece of a response's text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    /// `count` deltas `tok0 tok1 ...`, `gap` apart.
    Tokens {
        count: u32,
        gap: Duration,
    },
    /// The human's earlier prompts.
    History,
}

impl Step {
    /// A response that is only a text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::Text(text.into())], ..Self::default() }
    }
}

impl Script {
    /// Reads the directives of a text.
    pub(crate) fn read(text: &str) -> Result<Self, Malformed> {
        Ok(Self::from_directives(parse(text)?))
    }

    fn from_directives(directives: Vec<Directive>) -> Self {
        let speaks_last = matches!(
            directives.last(),
            Some(Directive::Say(_) | Directive::Stream { .. } | Directive::History | Directive::Stop(_))
        );
        let mut steps = Vec::new();
        let mut open = Step::default();
        for directive in directives {
            if open.stop_reason.is_some() && matches!(directive, Directive::Stop(_)) {
                steps.push(std::mem::take(&mut open).with_words());
            }
            if let Some(tools) = open.take_in(directive) {
                steps.push(Step { tools, ..std::mem::take(&mut open) });
            }
        }
        if !speaks_last {
            open.content.push(Content::Text(ALL_DONE.to_owned()));
        }
        steps.push(open.with_words());
        Self { steps }
    }

    /// The step with this number; after the last one there is nothing but the closing words.
    pub(crate) fn step(mut self, number: usize) -> Step {
        if number < self.steps.len() { self.steps.swap_remove(number) } else { Step::text(ALL_DONE) }
    }
}

impl Step {
    /// A response that is stopped and has no content of its own still says something: receivers drop empty ones.
    fn with_words(mut self) -> Self {
        if let (Some(reason), true) = (&self.stop_reason, self.content.is_empty()) {
            self.content.push(Content::Text(format!("Stopped by script: {reason}.")));
        }
        self
    }

    /// Adds a directive to the step; tool calls, which complete it, are given back.
    fn take_in(&mut self, directive: Directive) -> Option<Vec<ToolCall>> {
        match directive {
            Directive::Tools(calls) => return Some(calls),
            Directive::Say(text) => self.content.push(Content::Text(text)),
            Directive::Stream { count, gap } => self.content.push(Content::Tokens { count, gap }),
            Directive::History => self.content.push(Content::History),
            Directive::Think(text) => self.thinking.push(text),
            Directive::Sleep(time) => self.delay += time,
            Directive::Stall(time) => self.stall += time,
            Directive::Fault(fault) => self.faults.push(fault),
            Directive::Usage { input, output } => self.usage = Some((input, output)),
            Directive::Stop(reason) => self.stop_reason = Some(reason),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::FaultKind;

    fn steps(text: &str) -> Vec<Step> {
        Script::read(text).unwrap().steps
    }

    fn read(path: &str) -> ToolCall {
        ToolCall::Read { path: path.to_owned() }
    }

    #[test]
    fn every_tool_is_a_response_and_the_end_is_said() {
        assert_eq!(
            steps("[[read a]] [[say look]] [[par]][[read b]][[read c]][[/par]]"),
            [
                Step { tools: vec![read("a")], ..Step::default() },
                Step { tools: vec![read("b"), read("c")], ..Step::text("look") },
                Step::text("All done."),
            ]
        );
    }

    #[test]
    fn a_last_word_replaces_all_done() {
        assert_eq!(steps("[[say bye]]"), [Step::text("bye")]);
    }

    #[test]
    fn every_stop_is_a_response() {
        let stopped = |text: &str| Step { stop_reason: Some("refusal".into()), ..Step::text(text) };
        assert_eq!(
            steps("[[stop refusal]] [[say no]] [[stop refusal]]"),
            [stopped("no"), stopped("Stopped by script: refusal.")]
        );
    }

    #[test]
    fn modifiers_belong_to_the_next_step() {
        let cut = Fault { kind: FaultKind::Cut, times: Some(1) };
        assert_eq!(
            steps("[[think hm]] [[sleep 5]] [[cut 1]] [[usage 1 2]] [[read a]] [[stall 3]]"),
            [
                Step {
                    thinking: vec!["hm".into()],
                    delay: Duration::from_millis(5),
                    faults: vec![cut],
                    usage: Some((1, 2)),
                    tools: vec![read("a")],
                    ..Step::default()
                },
                Step { stall: Duration::from_millis(3), ..Step::text("All done.") },
            ]
        );
    }

    #[test]
    fn after_the_end_the_closing_words_are_repeated() {
        assert_eq!(Script::read("[[say a]]").unwrap().step(7), Step::text("All done."));
    }
}
