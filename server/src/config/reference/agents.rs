//! How agents reach the model, what they see, and how long they live.

use super::{Kind, Preset, Separator, Variable};

const CREDENTIAL: &str = "printable characters without spaces";
const YEAR: u64 = 365 * 24 * 3600;

pub(super) const CLAUDE: [Variable; 10] = [
    Variable::text(
        "CLAUDE_API_KEY",
        Preset::Told("none"),
        CREDENTIAL,
        "the key of the model API; one credential is needed, except with `--demo`",
    )
    .secret(),
    Variable::text(
        "ANTHROPIC_API_KEY",
        Preset::Told("none"),
        CREDENTIAL,
        "the same, under the name that other tools use",
    )
    .secret(),
    Variable::text(
        "ANTHROPIC_AUTH_TOKEN",
        Preset::Told("none"),
        CREDENTIAL,
        "in place of a key: a token that is sent as `Authorization: Bearer`",
    )
    .secret(),
    Variable::text(
        "CLAUDE_CODE_OAUTH_TOKEN",
        Preset::Told("none"),
        CREDENTIAL,
        "in place of a key: a token that the CLI's `setup-token` gave; agents have it, whatever CLAUDE_GATEWAY says",
    )
    .secret(),
    Variable::text(
        "CLAUDE_BASE_URL",
        Preset::Told("the CLI's"),
        "a URL such as https://gateway.example.com",
        "the model API",
    ),
    Variable::choice(
        "CLAUDE_GATEWAY",
        "auto",
        &["auto", "on", "off"],
        "whether agents reach the model through a gateway that keeps the key from them; auto: with CLAUDE_BASE_URL",
    ),
    Variable::text("CLAUDE_DEFAULT_MODEL", Preset::Told("the CLI's"), "a model's name", "the model"),
    Variable::choice(
        "CLAUDE_DEFAULT_PERMISSION_MODE",
        "acceptEdits",
        &["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"],
        "what tools may do that are not allowed by name",
    ),
    Variable::new(
        "CLAUDE_DEFAULT_ALLOWED_TOOLS",
        Kind::List("a JSON list or a comma-separated list of tools", Separator::Comma),
        Preset::Value("Read,Write,Edit,Bash"),
        "tools, or rules such as `Bash(git *)`, that run without asking",
    ),
    Variable::count("CLAUDE_MAX_TURNS", "50", (1, 100_000), "model answers that a task may take"),
];

pub(super) const PLACE: [Variable; 2] = [
    Variable::text(
        "CLAUDE_CLI_PATH",
        Preset::Told("the pinned install, else claude on PATH"),
        "a path",
        "the agent's program",
    ),
    Variable::new(
        "AGENT_SETTING_SOURCES",
        Kind::List("a list of user, project, local", Separator::Comma),
        Preset::Told("none"),
        "settings that an agent loads; project settings run code from the repository",
    ),
];

pub(super) const SESSION: [Variable; 7] = [
    Variable::count(
        "SESSION_MAX_CONCURRENT",
        "10",
        (1, 10_000),
        "agents alive at once, those that wait for their session's next task included",
    ),
    Variable::count(
        "SESSION_IDLE_TIMEOUT_SECONDS",
        "1800",
        (0, YEAR),
        "how long an agent waits for its session's next task; 0: not at all",
    ),
    Variable::count(
        "SESSION_CLEANUP_INTERVAL_SECONDS",
        "300",
        (1, YEAR),
        "how often is looked for agents that have waited too long",
    ),
    Variable::count(
        "SESSION_PREWARM",
        "0",
        (0, 1_000),
        "agents kept ready for new sessions, within SESSION_MAX_CONCURRENT",
    ),
    Variable::count(
        "SESSION_AGENT_MAX_AGE_SECONDS",
        "14400",
        (1, YEAR),
        "after how long an agent is replaced by a new process",
    ),
    Variable::count(
        "SESSION_AGENT_MAX_TASKS",
        "100",
        (1, u32::MAX as u64),
        "after how many tasks an agent is replaced by a new process",
    ),
    Variable::count(
        "SESSION_AGENT_MAX_MEMORY_MB",
        "1024",
        (1, 1 << 30),
        "above how much memory an agent is replaced by a new process",
    ),
];
