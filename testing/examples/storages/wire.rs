//! What goes over the wire to Redis, by its own count.

use testing::RedisServer;

/// Counters of a Redis.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    /// Commands of clients; what scripts call is not among them.
    pub(super) commands: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Wire {
    pub(super) fn of(redis: &RedisServer) -> Self {
        let (stats, commands) = (redis.info("stats"), redis.info("commandstats"));
        let number = |name: &str| {
            let line = stats.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |text| text.trim().parse().expect("a number"))
        };
        let calls = |name: &str| {
            let line = commands.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
            line.and_then(|line| line.split(',').next()).map_or(0, |text| text.parse().expect("a number"))
        };
        Self {
            commands: calls("evalsha"),
            bytes_in: number("total_net_input_bytes:"),
            bytes_out: number("total_net_output_bytes:"),
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            commands: self.commands - before.commands,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}
