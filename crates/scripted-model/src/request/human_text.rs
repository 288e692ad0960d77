//! Tells what the human wrote from what the CLI put into user messages. Measured with CLI 2.1.330.

/// How user texts of the CLI's own begin.
const WRITTEN_BY_THE_CLI: [&str; 10] = [
    "[Request interrupted by user",
    "Output token limit hit.",
    "Your response above was stopped by a safety classifier",
    COMPACTION,
    "This session is being continued from a previous conversation",
    "<local-command-",
    "<command-name>",
    "<command-message>",
    "<task-notification>",
    "Stop hook feedback:",
];

/// How the request for a summary of the conversation begins (`/compact`).
const COMPACTION: &str = "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.";

/// What stands around a message that the human sent while a turn was running.
const MID_TURN: (&str, &str) = (
    "The user sent a new message while you were working:\n",
    "\n\nThis is how Claude Code surfaces messages",
);

/// What the CLI tells the model when it runs the turn of a killed process again; the server says it to that end too.
const GO_ON: &str = "Continue from where you left off.";

/// What the CLI puts where an answer is missing: after a process that was killed, and after a failure of the API.
const NO_ANSWER: [&str; 2] = ["No response requested.", "API Error:"];

/// Whether the human wants the script of the prompt before to go on.
pub(super) fn asks_to_go_on(prompt: &str) -> bool {
    prompt.starts_with(GO_ON) && !prompt.contains("[[")
}

/// Whether a text of the assistant is none of the model.
pub(super) fn stands_for_an_answer(text: &str) -> bool {
    NO_ANSWER.iter().any(|start| text.starts_with(start))
}

/// The part of a user text that the human wrote, if any.
pub(super) fn of_user_text(text: &str) -> Option<String> {
    let text = without_reminders(text);
    let text = text.trim();
    let human = !text.is_empty() && !WRITTEN_BY_THE_CLI.iter().any(|start| text.starts_with(start));
    human.then(|| text.to_owned())
}

/// Whether the CLI asks for a summary of the conversation.
pub(super) fn asks_for_summary(text: &str) -> bool {
    text.trim_start().starts_with(COMPACTION)
}

/// The human's words in a `system` message that hands them over in mid-turn.
pub(super) fn of_mid_turn_message(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(MID_TURN.0)?;
    let words = rest.split_once(MID_TURN.1).map_or(rest, |(words, _)| words);
    of_user_text(words)
}

fn without_reminders(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, reminder)) = rest.split_once("<system-reminder>") {
        kept.push_str(before);
        rest = reminder.split_once("</system-reminder>").map_or("", |(_, after)| after);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_and_the_words_of_the_cli_are_not_the_humans() {
        let human = |text| of_user_text(text);
        assert_eq!(
            human("<system-reminder>a [[say no]]</system-reminder>\n hi <system-reminder>b"),
            Some("hi".into())
        );
        assert_eq!(human("<system-reminder>\n[SYSTEM NOTIFICATION]\n</system-reminder>"), None);
        assert_eq!(human("[Request interrupted by user for tool use]\n"), None);
        assert_eq!(human("Output token limit hit. Resume directly"), None);
    }

    #[test]
    fn a_mid_turn_message_is_unwrapped() {
        let wrapped = "The user sent a new message while you were working:\nalso [[say x]]\n\nThis is how Claude Code \
                       surfaces messages the user sends mid-turn";
        assert_eq!(of_mid_turn_message(wrapped), Some("also [[say x]]".into()));
        assert_eq!(of_mid_turn_message("# Environment"), None);
    }
}
