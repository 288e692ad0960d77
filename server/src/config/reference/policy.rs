//! What callers may ask for.

use super::{Kind, Preset, Separator, Variable};

const YEAR: u64 = 365 * 24 * 3600;

pub(super) const POLICY: [Variable; 7] = [
    Variable::new(
        "POLICY_PERMISSION_MODES",
        Kind::List(
            "a list of default, acceptEdits, plan, dontAsk, auto, bypassPermissions",
            Separator::Comma,
        ),
        Preset::Told("all but bypassPermissions"),
        "the permission modes that tasks may ask for; CLAUDE_DEFAULT_PERMISSION_MODE is always one of them",
    ),
    Variable::new(
        "POLICY_ALLOWED_TOOLS",
        Kind::List("a list of tools and rules", Separator::Comma),
        Preset::Told("any"),
        "the tools that tasks may name in `allowed_tools`: `Bash` with any rule, `Bash(git *)` just so, `mcp__db__*`",
    ),
    Variable::new(
        "POLICY_MODELS",
        Kind::List("a list of models", Separator::Comma),
        Preset::Told("any"),
        "the models that tasks may ask for",
    ),
    Variable::count("POLICY_MAX_TURNS", "", (1, 100_000), "most model answers that a task may ask for")
        .preset(Preset::Told("none")),
    Variable::count("POLICY_MAX_TIMEOUT_SECONDS", "", (1, YEAR), "longest timeout that a task may ask for")
        .preset(Preset::Told("none")),
    Variable::new(
        "POLICY_MAX_BUDGET_USD",
        Kind::Number("a number above 0"),
        Preset::Told("none"),
        "most that a task may cost; one that names no budget gets this one",
    ),
    Variable::new(
        "POLICY_OPTIONS",
        Kind::List(
            "a list of on_question, system_prompt, append_system_prompt, tools, disallowed_tools, fallback_model, effort, \
             max_thinking_tokens, add_dirs, agents, mcp_servers, output_schema",
            Separator::Comma,
        ),
        Preset::Told("all but mcp_servers"),
        "the options that tasks may give; with on_question, whoever may submit may also allow calls of any tool; an MCP server of the type stdio is a program that runs as the server's user",
    ),
];
