//! What holds for tasks whose submission leaves it out.

use std::time::Duration;

use domain::{OnQuestion, OnRestart, OnStall, PermissionMode, Policy, Retry};
use http_api::{TaskDefaults, are_tool_rules, is_model_name};

use super::variables::{self, Reader};

pub(super) fn read_defaults(read: &mut Reader<'_>) -> TaskDefaults {
    let tools = ["Read", "Write", "Edit", "Bash"].map(str::to_owned).to_vec();
    TaskDefaults {
        allowed_tools: read.value("CLAUDE_DEFAULT_ALLOWED_TOOLS", tools, |text| {
            variables::list(text).filter(|tools| are_tool_rules(tools))
        }),
        permission_mode: read
            .value("CLAUDE_DEFAULT_PERMISSION_MODE", PermissionMode::AcceptEdits, |text| text.parse().ok()),
        max_turns: read.count("CLAUDE_MAX_TURNS", 50),
        timeout: Duration::from_secs(read.count("TASK_DEFAULT_TIMEOUT_SECONDS", 3600)),
        model: read.optional("CLAUDE_DEFAULT_MODEL", |text| is_model_name(text).then(|| text.to_owned())),
        policy: read_policy(read),
    }
}

fn read_policy(read: &mut Reader<'_>) -> Policy {
    let background = read.count("TASK_BACKGROUND_TIMEOUT_SECONDS", 600);
    Policy {
        retry: Retry {
            max_attempts: read.count("TASK_MAX_ATTEMPTS", 1),
            after_side_effects: read.flag("TASK_RETRY_AFTER_SIDE_EFFECTS", false),
        },
        on_restart: read.value("TASK_ON_RESTART", OnRestart::Interrupt, |text| match text {
            "interrupt" => Some(OnRestart::Interrupt),
            "resume" => Some(OnRestart::Resume),
            _ => None,
        }),
        on_stall: read.value("TASK_ON_STALL", OnStall::Report, |text| match text {
            "report" => Some(OnStall::Report),
            "fail" => Some(OnStall::Fail),
            "resume" => Some(OnStall::Resume),
            _ => None,
        }),
        background: Duration::from_secs(background),
        on_question: read.value("TASK_ON_QUESTION", OnQuestion::Refuse, |text| match text {
            "refuse" => Some(OnQuestion::Refuse),
            "ask" => Some(OnQuestion::Ask),
            _ => None,
        }),
        answer_within: Duration::from_secs(read.count("TASK_ANSWER_WITHIN_SECONDS", 86_400)),
    }
}
