//! What holds for tasks whose submission leaves it out, and how many may wait.

use super::Variable;

const THIRTY_DAYS: u64 = 30 * 24 * 3600;
const YEAR: u64 = 365 * 24 * 3600;

pub(super) const TASK: [Variable; 10] = [
    Variable::count(
        "TASK_MAX_QUEUE_SIZE",
        "100",
        (1, 1_000_000),
        "tasks that may wait for their first turn, twice as many with those that wait for another; beyond: 503",
    ),
    Variable::count(
        "TASK_DEFAULT_TIMEOUT_SECONDS",
        "3600",
        (1, THIRTY_DAYS),
        "how long a task may be worked on",
    ),
    Variable::count(
        "TASK_BACKGROUND_TIMEOUT_SECONDS",
        "600",
        (0, THIRTY_DAYS),
        "how long a task's background tasks may go on after it",
    ),
    Variable::count("TASK_MAX_ATTEMPTS", "1", (1, 10), "how often a task is tried"),
    Variable::flag(
        "TASK_RETRY_AFTER_SIDE_EFFECTS",
        "false",
        "whether a task is also tried again after tools were used",
    ),
    Variable::choice(
        "TASK_ON_RESTART",
        "interrupt",
        &["interrupt", "resume"],
        "what becomes of a running task whose server died",
    ),
    Variable::choice(
        "TASK_ON_STALL",
        "report",
        &["report", "fail", "resume"],
        "what becomes of a task whose agent makes no progress",
    ),
    Variable::count(
        "TASK_STALL_AFTER_SECONDS",
        "300",
        (1, YEAR),
        "how long an agent may be silent while no tool of it works",
    ),
    Variable::choice(
        "TASK_ON_QUESTION",
        "refuse",
        &["refuse", "ask"],
        "what becomes of a tool call that is not allowed",
    ),
    Variable::count(
        "TASK_ANSWER_WITHIN_SECONDS",
        "86400",
        (1, THIRTY_DAYS),
        "how long a question waits for its answer",
    ),
];
