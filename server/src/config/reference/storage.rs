//! What is kept, where, and for how long.

use super::{Preset, Variable};

pub(super) const STORAGE: [Variable; 11] = [
    Variable::choice(
        "STORAGE_TYPE",
        "sqlite",
        &["sqlite", "memory"],
        "where tasks are kept; memory forgets everything at the end",
    ),
    Variable::text(
        "STORAGE_DATA_DIR",
        Preset::Value("data"),
        "a folder",
        "the database, the agents' homes and transcripts; one server at a time",
    ),
    Variable::choice(
        "STORAGE_SYNC",
        "normal",
        &["normal", "full"],
        "what an answer survives: the end of the process, or a loss of power too",
    ),
    Variable::count(
        "STORAGE_KEEP_DAYS",
        "30",
        (0, 36_500),
        "how long ended tasks are kept; 0: as long as there is room",
    ),
    Variable::count("STORAGE_KEEP_TASKS", "1000000", (1, u64::MAX), "how many ended tasks are kept"),
    Variable::count(
        "STORAGE_KEEP_MB",
        "10240",
        (1, 1 << 30),
        "how much of ended tasks' events is kept, in MiB",
    ),
    Variable::text("STORAGE_REDIS_HOST", Preset::Value("localhost"), "a host", "the Redis server")
        .without_effect(),
    Variable::port("STORAGE_REDIS_PORT", "6379", "its port").without_effect(),
    Variable::count("STORAGE_REDIS_DB", "0", (0, 65_535), "its database").without_effect(),
    Variable::text("STORAGE_REDIS_PASSWORD", Preset::Told("none"), "a password", "its password")
        .secret()
        .without_effect(),
    Variable::text(
        "STORAGE_REDIS_URL",
        Preset::Told("none"),
        "a URL",
        "in place of host, port, database and password",
    )
    .secret()
    .without_effect(),
];
