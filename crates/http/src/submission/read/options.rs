//! `options` of a submission: how the agent is to work.

use api::{Fault, OptionsRequest};
use domain::{OnQuestion, OnRestart, OnStall, PermissionMode};
use serde_json::{Map, Value};

use super::{MAX_SECONDS, more};
use crate::submission::fields::Fields;

const MAX_TURNS: i64 = 100_000;
/// Longest model name, in bytes.
const MAX_MODEL_BYTES: usize = 256;
/// Most bytes of all allowed tools together: they go onto the CLI's command line, which takes 128 KiB an argument.
const MAX_TOOLS_BYTES: usize = 32 * 1024;

pub(super) fn options(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> OptionsRequest {
    let mut fields = Fields::new("/options", object, faults);
    OptionsRequest {
        permission_mode: permission_mode(&mut fields),
        model: model(&mut fields, "model"),
        allowed_tools: tools(&mut fields, "allowed_tools"),
        max_turns: fields.whole("max_turns", 1..=MAX_TURNS),
        timeout: fields.whole("timeout", 1..=MAX_SECONDS),
        cwd: fields.text("cwd"),
        max_budget_usd: fields.positive("max_budget_usd"),
        background_timeout: fields.whole("background_timeout", 0..=MAX_SECONDS),
        on_restart: fields
            .word("on_restart", &[("interrupt", OnRestart::Interrupt), ("resume", OnRestart::Resume)]),
        on_stall: fields.word(
            "on_stall",
            &[("report", OnStall::Report), ("fail", OnStall::Fail), ("resume", OnStall::Resume)],
        ),
        on_question: fields.word("on_question", &[("refuse", OnQuestion::Refuse), ("ask", OnQuestion::Ask)]),
        answer_within: fields.whole("answer_within", 1..=MAX_SECONDS),
        system_prompt: more::prompt(&mut fields, "system_prompt"),
        append_system_prompt: more::prompt(&mut fields, "append_system_prompt"),
        tools: tools(&mut fields, "tools"),
        disallowed_tools: tools(&mut fields, "disallowed_tools"),
        fallback_model: model(&mut fields, "fallback_model"),
        effort: more::effort(&mut fields),
        max_thinking_tokens: fields.whole("max_thinking_tokens", 1_024..=200_000),
        add_dirs: more::add_dirs(&mut fields),
        agents: more::agents(&mut fields),
        mcp_servers: more::mcp_servers(&mut fields),
        output_schema: more::output_schema(&mut fields),
    }
}

fn permission_mode(fields: &mut Fields<'_, '_>) -> Option<PermissionMode> {
    let modes = PermissionMode::ALL.map(|mode| (mode.as_str(), mode));
    fields.word("permission_mode", &modes)
}

fn model(fields: &mut Fields<'_, '_>, name: &str) -> Option<String> {
    let model = fields.text(name)?;
    if !is_model_name(&model) {
        let detail = format!("must be a model's name of at most {MAX_MODEL_BYTES} characters, or null");
        fields.fault(name, detail);
    }
    Some(model)
}

/// Whether a text can be a model's name. What could be taken for an option of the CLI, or for two models, is none.
pub fn is_model_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_MODEL_BYTES
        && !text.starts_with('-')
        && !text.contains(',')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn tools(fields: &mut Fields<'_, '_>, name: &str) -> Option<Vec<String>> {
    let items = fields.list(name, "tool names")?;
    let mut tools = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match item {
            Value::String(tool) if is_tool_rule(tool) => tools.push(tool.clone()),
            _ => {
                let detail = "must be one tool's name, such as Bash, or a rule, such as Bash(git *)";
                fields.fault(&format!("{name}/{place}"), detail);
            }
        }
    }
    if are_too_long(&tools) {
        fields.fault(name, format!("must have at most {MAX_TOOLS_BYTES} characters in all"));
    }
    Some(tools)
}

fn are_too_long(tools: &[String]) -> bool {
    tools.iter().map(String::len).sum::<usize>() > MAX_TOOLS_BYTES
}

/// Whether each of the texts is one tool's name or a rule, and all of them fit onto the CLI's command line.
pub fn are_tool_rules(texts: &[String]) -> bool {
    texts.iter().all(|text| is_tool_rule(text)) && !are_too_long(texts)
}

/// A name, or a name and something in parentheses. One text is one rule: the CLI gets all of them in one argument, and goes by
/// the parentheses to tell them apart.
pub(super) fn is_tool_rule(text: &str) -> bool {
    let (name, rule) = text.split_once('(').map_or((text, None), |(name, rule)| (name, Some(rule)));
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
    starts
        && name.chars().all(allowed)
        && rule.is_none_or(|rule| {
            let inside = rule.strip_suffix(')');
            inside.is_some_and(|inside| is_balanced(inside) && !inside.chars().any(char::is_control))
        })
}

/// Whether each closing parenthesis has its opening one before it, and the other way round.
fn is_balanced(text: &str) -> bool {
    let depth = text.chars().try_fold(0_u32, |depth, c| match c {
        '(' => Some(depth + 1),
        ')' => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}
