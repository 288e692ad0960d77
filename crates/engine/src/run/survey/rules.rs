//! Which files git ignores, by the rules that a repository holds. Its files are not trusted: a rule file may be a device, a pipe, a
//! link to anywhere, or have no end, and its patterns may be made to be slow.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags, open};

use super::digest;

/// Of a repository with more rules, nothing is known.
const MOST_BYTES: usize = 256 * 1024;
/// Most patterns with wildcards in one set: the memory that a match may take grows with their number times their length.
const MOST_GLOBS: usize = 16;

/// The rules of a folder, and of those that it is in.
pub(super) struct Rules {
    own: Vec<Gitignore>,
    outer: Option<Rc<Self>>,
}

/// Reads rules.
pub(super) struct Reader {
    /// How much more there may be, in bytes.
    left: usize,
    /// Of all rules so far, in whatever order they were found.
    pub(super) seen: u64,
    /// When there is no more time.
    until: Instant,
}

/// Rules that cannot be read or obeyed in time.
#[derive(Debug)]
pub(super) struct Unusable;

impl Reader {
    pub(super) fn new(until: Instant) -> Self {
        Self { left: MOST_BYTES, seen: 0, until }
    }

    /// The rules of a folder below others, as far as there are any.
    pub(super) fn rules(&mut self, folder: &Path, outer: Option<Rc<Rules>>) -> Result<Rc<Rules>, Unusable> {
        let mut own = Vec::new();
        if outer.is_none() {
            // It is the top: what is said of all of the repository. Not that of a worktree or submodule, which is elsewhere.
            own.extend(self.read(folder, ".git/info/exclude")?);
        }
        own.extend(self.read(folder, ".gitignore")?);
        match outer {
            Some(outer) if own.is_empty() => Ok(outer),
            outer => Ok(Rc::new(Rules { own, outer })),
        }
    }

    /// The rules of a file, in sets of which a later one goes before.
    fn read(&mut self, folder: &Path, name: &str) -> Result<Vec<Gitignore>, Unusable> {
        let file = folder.join(name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Ok(opened) = open(&file, flags, Mode::empty()).map(File::from) else { return Ok(Vec::new()) };
        if !opened.metadata().is_ok_and(|data| data.is_file()) {
            return Ok(Vec::new());
        }
        let mut text = Vec::new();
        opened.take(self.left as u64 + 1).read_to_end(&mut text).map_err(|_| Unusable)?;
        self.left = self.left.checked_sub(text.len()).ok_or(Unusable)?;
        self.seen = self.seen.wrapping_add(digest((file, &text)));
        let text = String::from_utf8_lossy(&text);
        self.sets(folder, text.strip_prefix('\u{feff}').unwrap_or(&text))
    }

    fn sets(&self, folder: &Path, text: &str) -> Result<Vec<Gitignore>, Unusable> {
        let (mut sets, mut rules, mut globs) = (Vec::new(), GitignoreBuilder::new(folder), 0);
        for line in text.lines() {
            if globs == MOST_GLOBS {
                self.has_time()?;
                sets.push(rules.build().map_err(|_| Unusable)?);
                (rules, globs) = (GitignoreBuilder::new(folder), 0);
            }
            globs += usize::from(line.contains(['*', '?', '[', '{']));
            if let Err(error) = rules.add_line(None, line) {
                // Git passes over it, too.
                tracing::trace!(%error, "a line is no rule");
            }
        }
        sets.push(rules.build().map_err(|_| Unusable)?);
        sets.retain(|set| !set.is_empty());
        Ok(sets)
    }

    fn has_time(&self) -> Result<(), Unusable> {
        if Instant::now() > self.until { Err(Unusable) } else { Ok(()) }
    }

    /// Whether a file or folder is ignored. The rule that comes last decides.
    pub(super) fn ignores(&self, rules: &Rules, path: &Path, is_folder: bool) -> Result<bool, Unusable> {
        let mut at = Some(rules);
        while let Some(rules) = at {
            for set in rules.own.iter().rev() {
                self.has_time()?;
                match set.matched(path, is_folder) {
                    Match::None => {}
                    Match::Ignore(_) => return Ok(true),
                    Match::Whitelist(_) => return Ok(false),
                }
            }
            at = rules.outer.as_deref();
        }
        self.has_time()?;
        Ok(false)
    }
}
