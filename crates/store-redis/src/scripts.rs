//! The scripts, each with the parts that it needs. Redis keeps them by their digest, so a call carries only that.

use redis::Script;

macro_rules! script {
    ($($part:literal),+) => {
        Script::new(concat!($(include_str!(concat!("scripts/", $part, ".lua")), "\n"),+))
    };
}

macro_rules! scripts {
    ($($name:ident: [$($part:literal),+];)+) => {
        #[derive(Debug)]
        pub(crate) struct Scripts { $(pub(crate) $name: Script),+ }

        impl Default for Scripts {
            fn default() -> Self {
                Self { $($name: script!($($part),+)),+ }
            }
        }

        #[cfg(test)]
        impl Scripts {
            /// All of them, by name.
            pub(crate) fn all(&self) -> Vec<(&'static str, &Script)> {
                vec![$((stringify!($name), &self.$name)),+]
            }
        }
    };
}

scripts! {
    ahead: ["base", "ahead"];
    answer: ["base", "news", "log", "queue", "answer"];
    append: ["base", "news", "log", "append"];
    claim: ["base", "news", "log", "queue", "sessions", "claim"];
    count_request: ["base", "count_request"];
    counts: ["base", "counts"];
    create_session: ["base", "sessions", "create_session"];
    delete_session: ["base", "sessions", "delete_session"];
    delete_task: ["base", "sessions", "ended", "delete_task"];
    doomed: ["base", "doomed"];
    drain: ["base", "news", "drain"];
    drop_beyond: ["base", "sessions", "ended", "drop_beyond"];
    feed: ["base", "feed"];
    finish: ["base", "news", "log", "queue", "sessions", "ended", "finish"];
    heartbeat: ["base", "news", "instances", "heartbeat"];
    interrupt: ["base", "news", "queue", "interrupt"];
    join: ["base", "news", "instances", "join"];
    leave: ["base", "news", "instances", "leave"];
    leave_message: ["base", "news", "leave_message"];
    list: ["base", "list"];
    list_instances: ["base", "list_instances"];
    list_sessions: ["base", "list_sessions"];
    priority: ["base", "news", "queue", "priority"];
    probe: ["base", "probe"];
    put_back: ["base", "news", "log", "queue", "put_back"];
    read: ["base", "read"];
    release: ["base", "news", "queue", "sessions", "release"];
    rows: ["base", "rows"];
    signals: ["base", "signals"];
    submit: ["base", "news", "log", "queue", "sessions", "submit"];
    share_revoked: ["base", "share_revoked"];
    sweep: ["base", "sweep"];
    take_messages: ["base", "take_messages"];
    take_over: ["base", "news", "queue", "sessions", "instances", "take_over"];
}
