//! What callers may ask for: the operator's bounds on modes, tools, models, amounts and options.

use std::time::Duration;

use api::{Code, Fault, OptionsRequest};
use axum::http::StatusCode;
use domain::{OnQuestion, PermissionMode};
use serde_json::Value;

use crate::refusal::Refusal;

/// The options that an operator can refuse.
pub const OPTIONAL: [&str; 12] = [
    "on_question",
    "system_prompt",
    "append_system_prompt",
    "tools",
    "disallowed_tools",
    "fallback_model",
    "effort",
    "max_thinking_tokens",
    "add_dirs",
    "agents",
    "mcp_servers",
    "output_schema",
];

/// What callers may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct CallerPolicy {
    /// The permission modes.
    pub permission_modes: Vec<PermissionMode>,
    /// The tools, and rules of tools, that may run without asking: `Bash` with any rule, `Bash(git *)` just so, `mcp__db__*` for
    /// all that begin so. `None` for any.
    pub tools: Option<Vec<String>>,
    /// The models; `None` for any.
    pub models: Option<Vec<String>>,
    /// Most model answers.
    pub max_turns: Option<u32>,
    /// Longest time.
    pub max_timeout: Option<Duration>,
    /// Most that a task may cost, in US dollars. One that says nothing gets that much.
    pub max_budget_usd: Option<f64>,
    /// Those of [`OPTIONAL`] that may be given.
    pub options: Vec<&'static str>,
}

impl Default for CallerPolicy {
    /// Everything that gives callers no more than the tools that they may ask for.
    fn default() -> Self {
        let is_safe = |mode: &PermissionMode| *mode != PermissionMode::BypassPermissions;
        Self {
            permission_modes: PermissionMode::ALL.into_iter().filter(is_safe).collect(),
            tools: None,
            models: None,
            max_turns: None,
            max_timeout: None,
            max_budget_usd: None,
            // A server that is a program runs as the server's user, without being asked about.
            options: OPTIONAL.into_iter().filter(|name| *name != "mcp_servers").collect(),
        }
    }
}

impl CallerPolicy {
    /// Whether a submission's options are within the bounds.
    ///
    /// # Errors
    /// Everything that is not.
    pub(crate) fn check(&self, request: &OptionsRequest) -> Result<(), Refusal> {
        let mut faults = Vec::new();
        let mut fault = |name: &str, detail: String| {
            faults.push(Fault { pointer: format!("/options/{name}"), detail });
        };
        if let Some(mode) = request.permission_mode.filter(|mode| !self.permission_modes.contains(mode)) {
            let allowed: Vec<_> = self.permission_modes.iter().map(|mode| mode.as_str()).collect();
            fault(
                "permission_mode",
                format!("{} is not allowed here: use one of {}", mode.as_str(), allowed.join(", ")),
            );
        }
        for (place, tool) in request.allowed_tools.iter().flatten().enumerate() {
            if !self.admits_tool(tool) {
                fault(&format!("allowed_tools/{place}"), format!("{tool} is not allowed here"));
            }
        }
        for (name, model) in models(request) {
            if self.models.as_ref().is_some_and(|allowed| !allowed.contains(&model)) {
                fault(&name, format!("{model} is not allowed here"));
            }
        }
        if let Some((wanted, most)) = beyond(request.max_turns, self.max_turns) {
            fault("max_turns", format!("{wanted} is not allowed here: at most {most}"));
        }
        let most = self.max_timeout.map(|most| most.as_secs());
        if let Some((wanted, most)) = beyond(request.timeout, most) {
            fault("timeout", format!("{wanted} is not allowed here: at most {most} seconds"));
        }
        if let Some((wanted, most)) = beyond(request.max_budget_usd, self.max_budget_usd) {
            fault("max_budget_usd", format!("{wanted} is not allowed here: at most {most}"));
        }
        for name in given(request).filter(|name| !self.options.contains(name)) {
            fault(name, "is not allowed here: leave it out".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(refusal(faults)) }
    }

    fn admits_tool(&self, wanted: &str) -> bool {
        let Some(allowed) = &self.tools else { return true };
        let name = wanted.split('(').next().unwrap_or_default();
        // What the CLI might take for more than one rule is allowed just so or not at all.
        if wanted.matches(['(', ')']).count() > 2 {
            return allowed.iter().any(|allowed| allowed == wanted);
        }
        let admits = |allowed: &String| match allowed.strip_suffix('*') {
            Some(beginning) if !allowed.contains('(') => name.starts_with(beginning) && !name.contains('*'),
            _ => allowed == wanted || allowed == name,
        };
        allowed.iter().any(admits)
    }
}

fn beyond<T: PartialOrd>(wanted: Option<T>, most: Option<T>) -> Option<(T, T)> {
    wanted.zip(most).filter(|(wanted, most)| wanted > most)
}

/// The models that a request names, and where.
fn models(request: &OptionsRequest) -> Vec<(String, String)> {
    let own = [("model", &request.model), ("fallback_model", &request.fallback_model)];
    let own = own.into_iter().filter_map(|(name, model)| Some((name.to_owned(), model.clone()?)));
    let agents = request.agents.iter().flatten().filter_map(|(name, agent)| {
        Some((format!("agents/{name}/model"), agent.get("model").and_then(Value::as_str)?.to_owned()))
    });
    own.chain(agents).collect()
}

/// Those of [`OPTIONAL`] that a request gives.
fn given(request: &OptionsRequest) -> impl Iterator<Item = &'static str> + use<> {
    let given = [
        request.on_question == Some(OnQuestion::Ask),
        request.system_prompt.is_some(),
        request.append_system_prompt.is_some(),
        request.tools.is_some(),
        request.disallowed_tools.is_some(),
        request.fallback_model.is_some(),
        request.effort.is_some(),
        request.max_thinking_tokens.is_some(),
        request.add_dirs.is_some(),
        request.agents.is_some(),
        request.mcp_servers.is_some(),
        request.output_schema.is_some(),
    ];
    OPTIONAL.into_iter().zip(given).filter(|(_, given)| *given).map(|(name, _)| name)
}

fn refusal(faults: Vec<Fault>) -> Refusal {
    let detail: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
    let detail = format!("the server's policy does not allow that: {}", detail.join("; "));
    Refusal { faults, ..Refusal::new(StatusCode::FORBIDDEN, Code::OptionNotAllowed, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submission::task_request;

    fn refused(policy: &CallerPolicy, options: &str) -> Vec<String> {
        let body = format!(r#"{{"prompt":"p","workspace":"/w","options":{options}}}"#);
        let request = task_request(body.as_bytes()).expect("a request");
        let faults = policy.check(&request.options).map_or_else(|refusal| refusal.faults, |()| Vec::new());
        faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn by_itself_a_policy_refuses_what_goes_around_the_permissions() {
        let usual = CallerPolicy::default();
        assert_eq!(
            refused(&usual, r#"{"permission_mode":"plan","system_prompt":"s","allowed_tools":["Bash"]}"#),
            [""; 0]
        );
        let expected = [
            "/options/permission_mode bypassPermissions is not allowed here: use one of default, acceptEdits, plan, dontAsk, auto",
            "/options/mcp_servers is not allowed here: leave it out",
        ];
        let options = r#"{"permission_mode":"bypassPermissions","mcp_servers":{"s":{"command":"c"}}}"#;
        assert_eq!(refused(&usual, options), expected);
    }

    #[test]
    fn everything_can_be_bounded() {
        let strict = CallerPolicy {
            tools: Some(["Read", "Bash(git *)", "mcp__db__*"].map(str::to_owned).to_vec()),
            models: Some(vec!["sonnet".into()]),
            max_turns: Some(5),
            max_timeout: Some(Duration::from_secs(60)),
            max_budget_usd: Some(1.0),
            options: vec!["agents", "fallback_model"],
            ..CallerPolicy::default()
        };
        let within = r#"{"allowed_tools":["Read(src/*)","Bash(git *)","mcp__db__query"],"model":"sonnet","max_turns":5,
            "timeout":60,"max_budget_usd":1,"agents":{"a":{"description":"d","prompt":"p","model":"sonnet"}}}"#;
        assert_eq!(refused(&strict, within), [""; 0]);
        let beyond = r#"{"allowed_tools":["Bash","Bash(rm *)","Read(a(b), Bash(*))","mcp__web__get","mcp__*"],"model":"opus","fallback_model":"haiku",
            "max_turns":6,"timeout":61,"max_budget_usd":1.5,"effort":"max",
            "agents":{"a":{"description":"d","prompt":"p","model":"opus"}}}"#;
        let expected = [
            "/options/allowed_tools/0 Bash is not allowed here",
            "/options/allowed_tools/1 Bash(rm *) is not allowed here",
            "/options/allowed_tools/2 Read(a(b), Bash(*)) is not allowed here",
            "/options/allowed_tools/3 mcp__web__get is not allowed here",
            "/options/allowed_tools/4 mcp__* is not allowed here",
            "/options/model opus is not allowed here",
            "/options/fallback_model haiku is not allowed here",
            "/options/agents/a/model opus is not allowed here",
            "/options/max_turns 6 is not allowed here: at most 5",
            "/options/timeout 61 is not allowed here: at most 60 seconds",
            "/options/max_budget_usd 1.5 is not allowed here: at most 1",
            "/options/effort is not allowed here: leave it out",
        ];
        assert_eq!(refused(&strict, beyond), expected);
    }
}
