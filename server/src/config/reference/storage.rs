//! What is kept, where, and for how long.

use super::{Kind, Preset, Separator, Variable};

pub(super) const STORAGE: [Variable; 25] = [
    Variable::choice(
        "STORAGE_TYPE",
        "sqlite",
        &["sqlite", "memory", "redis"],
        "where tasks are kept; memory forgets everything at the end, redis may be shared by several servers",
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
    Variable::text("STORAGE_REDIS_HOST", Preset::Value("localhost"), "a host", "the Redis server"),
    Variable::port("STORAGE_REDIS_PORT", "6379", "its port"),
    Variable::count("STORAGE_REDIS_DB", "0", (0, 65_535), "its database"),
    Variable::text(
        "STORAGE_REDIS_USERNAME",
        Preset::Told("none"),
        "a name",
        "the user, where it has more than one",
    ),
    Variable::text("STORAGE_REDIS_PASSWORD", Preset::Told("none"), "a password", "its password").secret(),
    Variable::flag(
        "STORAGE_REDIS_TLS",
        "false",
        "whether it is reached by TLS, with the system's certificates",
    ),
    Variable::text(
        "STORAGE_REDIS_URL",
        Preset::Told("none"),
        "a URL that begins with redis://, rediss:// or redis+unix://",
        "in place of host, port, database, user, password and TLS",
    )
    .secret(),
    Variable::text(
        "STORAGE_REDIS_TLS_CA_FILE",
        Preset::Told("the system's authorities"),
        "a file in PEM format",
        "who is believed about Redis and its sentinels when TLS is used",
    ),
    Variable::text(
        "STORAGE_REDIS_TLS_CERT_FILE",
        Preset::Told("none"),
        "a file in PEM format",
        "the certificate that this server shows to Redis",
    ),
    Variable::text(
        "STORAGE_REDIS_TLS_KEY_FILE",
        Preset::Told("none"),
        "a file in PEM format",
        "the certificate's private key",
    ),
    Variable::new(
        "STORAGE_REDIS_SENTINELS",
        Kind::List("addresses as host:port, separated by commas", Separator::Comma),
        Preset::Told("none"),
        "who knows where Redis is, instead of host and port or URL; a failover is followed",
    ),
    Variable::text(
        "STORAGE_REDIS_SENTINEL_MASTER",
        Preset::Value("mymaster"),
        "a name",
        "what the sentinels call that Redis",
    ),
    Variable::text(
        "STORAGE_REDIS_SENTINEL_USERNAME",
        Preset::Told("none"),
        "a name",
        "user at the sentinels",
    ),
    Variable::text(
        "STORAGE_REDIS_SENTINEL_PASSWORD",
        Preset::Told("none"),
        "a text",
        "password at the sentinels",
    )
    .secret(),
    Variable::text(
        "STORAGE_REDIS_PREFIX",
        Preset::Value("{ccs}:"),
        "a text with a part in braces",
        "what all keys begin with; servers with the same one are one service",
    ),
    Variable::count(
        "STORAGE_REDIS_LEASE_SECONDS",
        "10",
        (2, 3600),
        "how long a server may be out of touch before others take over what it runs",
    ),
    Variable::text(
        "STORAGE_AGENTS_DIR",
        Preset::Told("agents in the data folder"),
        "a folder",
        "the agents' homes and conversations; for Redis only: a folder that all servers mount lets each go on with any session",
    ),
    Variable::text(
        "STORAGE_INSTANCE_NAME",
        Preset::Told("a new one at each start"),
        "1 to 128 letters, digits and . _ -",
        "names this server among those that share Redis; with a name, it takes over at once what it ran before a crash",
    ),
    Variable::new(
        "STORAGE_INSTANCE_LABELS",
        Kind::List(
            "at most 16 labels of letters, digits and . _ - / =, separated by commas",
            Separator::Comma,
        ),
        Preset::Told("none"),
        "what tasks can ask for with runs_on, such as gpu,zone=a",
    ),
];
