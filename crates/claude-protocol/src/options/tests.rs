use super::*;

const ALWAYS: [&str; 4] = [
    "--output-format=stream-json",
    "--verbose",
    "--input-format=stream-json",
    "--permission-prompt-tool=stdio",
];

fn arguments(options: &LaunchOptions) -> Vec<String> {
    options.arguments().expect("valid names")
}

#[test]
fn the_default_is_the_cli_as_it_is_with_us_asked() {
    let mut expected = ALWAYS.map(str::to_owned).to_vec();
    expected
        .extend(["--setting-sources=", "--settings={\"crossSessionInbound\":\"refuse\"}"].map(Into::into));
    assert_eq!(arguments(&LaunchOptions::default()), expected);
}

#[test]
fn a_value_never_becomes_a_flag() {
    let hostile = "--dangerously-skip-permissions".to_owned();
    let options = LaunchOptions {
        tools: Tools::Only(vec![hostile.clone()]),
        allowed_tools: vec![hostile.clone(), "Bash(git *)".into()],
        disallowed_tools: vec![hostile.clone()],
        permission_prompts: PermissionPrompts::Tool(hostile.clone()),
        model: Some(hostile.clone()),
        fallback_models: vec![hostile.clone()],
        betas: vec![hostile.clone()],
        effort: Some(hostile.clone()),
        add_dirs: vec![hostile.clone().into()],
        setting_sources: vec![hostile.clone()],
        plugins: vec![hostile.clone().into()],
        extra_arguments: BTreeMap::from([("name".into(), Some(hostile.clone()))]),
        ..LaunchOptions::default()
    };
    let arguments = arguments(&options);
    assert!(!arguments.contains(&hostile));
    assert_eq!(arguments.iter().filter(|argument| argument.contains(&hostile)).count(), 12);
}

#[test]
fn what_is_no_option_name_is_refused() {
    for name in ["", "-p", "--print", "a=b", "a b", "a--b", "A", "a-"] {
        let extra_arguments = BTreeMap::from([(name.to_owned(), None)]);
        let options = LaunchOptions { extra_arguments, ..LaunchOptions::default() };
        assert_eq!(options.arguments(), Err(InvalidOptionName(name.into())), "{name}");
    }
}

#[test]
fn every_option_has_its_flag() {
    let id = Uuid::from_u128(1);
    let options = LaunchOptions {
        conversation: Conversation::Fork { from: id, to: Some(Uuid::nil()) },
        resume_session_at: Some(id),
        tools: Tools::Only(vec![]),
        allowed_tools: vec!["Read".into(), "Bash(git *)".into()],
        disallowed_tools: vec!["Write".into()],
        ask_tools: vec!["Edit".into()],
        permission_mode: Some("plan"),
        permission_prompts: PermissionPrompts::Nobody,
        allow_bypass_later: true,
        max_turns: Some(3),
        max_budget_usd: Some(0.5),
        task_budget_tokens: Some(1000),
        model: Some("opus".into()),
        fallback_models: vec!["sonnet".into(), "haiku".into()],
        betas: vec!["b1".into()],
        thinking: Some(Thinking::Tokens(2000)),
        effort: Some("max".into()),
        add_dirs: vec!["/a".into(), "/b".into()],
        settings: Map::from_iter([("permissions".into(), json!({"ask": ["Read"], "deny": ["WebFetch"]}))]),
        setting_sources: vec!["user".into(), "project".into()],
        strict_mcp_config: true,
        plugins: vec!["/p".into()],
        partial_messages: true,
        hook_events: true,
        replay_user_messages: true,
        session_mirror: true,
        ephemeral: true,
        await_initialize: true,
        await_claim: true,
        extra_arguments: BTreeMap::from([
            ("debug-file".into(), Some("/d".into())),
            ("restricted".into(), None),
        ]),
    };
    let settings = "--settings={\"crossSessionInbound\":\"refuse\",\"permissions\":{\"ask\":[\"Read\",\"Edit\"],\
                    \"deny\":[\"WebFetch\"]}}";
    let expected = [
        "--output-format=stream-json",
        "--verbose",
        "--input-format=stream-json",
        "--resume=00000000-0000-0000-0000-000000000001",
        "--fork-session",
        "--session-id=00000000-0000-0000-0000-000000000000",
        "--resume-session-at=00000000-0000-0000-0000-000000000001",
        "--no-session-persistence",
        "--await-initialize",
        "--await-claim",
        "--permission-prompts=none",
        "--permission-mode=plan",
        "--allow-dangerously-skip-permissions",
        "--tools=",
        "--allowedTools=Read,Bash(git *)",
        "--disallowedTools=Write",
        "--max-turns=3",
        "--max-budget-usd=0.5",
        "--task-budget=1000",
        "--model=opus",
        "--fallback-model=sonnet,haiku",
        "--betas=b1",
        "--max-thinking-tokens=2000",
        "--effort=max",
        "--setting-sources=user,project",
        settings,
        "--strict-mcp-config",
        "--add-dir=/a",
        "--add-dir=/b",
        "--plugin-dir=/p",
        "--include-partial-messages",
        "--include-hook-events",
        "--replay-user-messages",
        "--session-mirror",
        "--debug-file=/d",
        "--restricted",
    ];
    assert_eq!(arguments(&options), expected);
}
