//! What a commit says to readers: where things are now, never what happened.

use domain::TaskId;
use store::Signal;

/// A message of a commit, as the scripts write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// Counts messages without a hole.
    pub(crate) number: u64,
    /// Place of the feed's last entry.
    pub(crate) position: u64,
    /// Whether those who claim should look again.
    pub(crate) queue: bool,
    /// Whether an instance has left something to be taken over.
    pub(crate) take_over: bool,
    /// Whether a message was left for an instance.
    pub(crate) mail: bool,
    /// Where the tasks are that have changed.
    pub(crate) tasks: Vec<(TaskId, Signal)>,
}

impl News {
    /// Reads a message: `number position flags [task tail ended interrupted]…`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut news = Self {
            number: words.next()?.parse().ok()?,
            position: words.next()?.parse().ok()?,
            queue: false,
            take_over: false,
            mail: false,
            tasks: Vec::new(),
        };
        let flags = words.next()?;
        news.queue = flags == "q";
        news.take_over = flags == "t";
        news.mail = flags == "m";
        while let Some(task) = words.next() {
            let task = TaskId::parse(task).ok()?;
            let tail = words.next()?.parse().ok()?;
            let (ended, interrupt_requested) = (words.next()? == "1", words.next()? == "1");
            news.tasks.push((task, Signal { tail, ended, interrupt_requested }));
        }
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_where_things_are() {
        let task = |id: &str| TaskId::parse(id).expect("valid");
        let signal = |tail, ended, interrupt_requested| Signal { tail, ended, interrupt_requested };
        let expected = News {
            number: 7,
            position: 19,
            queue: true,
            take_over: false,
            mail: false,
            tasks: vec![(task("a"), signal(3, false, true)), (task("b:c"), signal(4, true, false))],
        };
        assert_eq!(News::parse("7 19 q a 3 0 1 b:c 4 1 0"), Some(expected));
        let bare = News { number: 1, position: 0, queue: false, take_over: true, mail: false, tasks: vec![] };
        assert_eq!(News::parse("1 0 m"), Some(News { take_over: false, mail: true, ..bare.clone() }));
        assert_eq!(News::parse("1 0 t"), Some(bare));
        for torn in ["", "1", "1 2", "x 2 -", "1 2 - a", "1 2 - a 3 0", "1 2 - ../a 3 0 0"] {
            assert_eq!(News::parse(torn), None, "{torn:?}");
        }
    }
}
