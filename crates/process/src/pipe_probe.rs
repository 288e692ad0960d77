//! Whether anybody still writes to a pipe whose reading end belongs to somebody else.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, tee};

/// The last digit of `flags:` in `fdinfo`, an octal number, is the access mode: write-only or both.
const WRITING: [char; 2] = ['1', '2'];

/// Names a pipe without being one of its ends: it neither keeps a writer going nor swallows its `EPIPE`.
#[derive(Debug)]
pub(crate) struct PipeProbe {
    name: OwnedFd,
    inode: u64,
}

impl PipeProbe {
    /// For the pipe behind one of its ends.
    pub(crate) fn of(end: impl AsFd) -> io::Result<Self> {
        let path = format!("/proc/self/fd/{}", end.as_fd().as_raw_fd());
        let name = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { inode: fstat(&name)?.st_ino, name })
    }

    /// Whether the pipe still has a writer. Takes nothing out of it.
    pub(crate) fn has_writer(&self) -> io::Result<bool> {
        let path = format!("/proc/self/fd/{}", self.name.as_raw_fd());
        let reader = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        let mut fds = [PollFd::new(&reader, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default()))?;
        let [state] = fds.map(|fd| fd.revents());
        if state.intersects(PollFlags::HUP | PollFlags::IN) {
            return Ok(!state.contains(PollFlags::HUP));
        }
        // A pipe whose ends have all been closed comes back to life without hang-up when it is opened. Unlike a
        // read, a tee tells it from a quiet writer without the risk of taking what is written at this moment.
        let (_unread, scratch) = pipe_with(PipeFlags::CLOEXEC)?;
        match tee(&reader, &scratch, 1, SpliceFlags::NONBLOCK) {
            Ok(copied) => Ok(copied > 0),
            Err(rustix::io::Errno::AGAIN) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the process with this pid has the pipe open for writing, as far as it lets us look.
    pub(crate) fn is_written_by(&self, pid: u32) -> bool {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let wanted = format!("pipe:[{}]", self.inode);
        let is_the_pipe =
            |path: PathBuf| fs::read_link(path).is_ok_and(|target| target == Path::new(&wanted));
        let mut ends = entries.flatten().filter(|entry| is_the_pipe(entry.path()));
        ends.any(|end| writes(pid, &end.file_name()))
    }
}

fn writes(pid: u32, descriptor: &OsStr) -> bool {
    let path = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(descriptor);
    let info = fs::read_to_string(path).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.is_some_and(|flags| flags.trim().ends_with(WRITING))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_writer_is_seen_and_nothing_is_taken() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let probe = PipeProbe::of(&reader).unwrap();
        assert!(probe.has_writer().unwrap(), "quiet writer");
        writer.write_all(b"text").unwrap();
        assert!(probe.has_writer().unwrap(), "writer and unread text");
        assert!(probe.is_written_by(std::process::id()));
        drop(writer);
        assert!(!probe.has_writer().unwrap(), "unread text only");
        assert!(!probe.is_written_by(std::process::id()), "the reading end does not count");
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert!(!probe.has_writer().unwrap(), "read to its end");
    }

    #[test]
    fn a_pipe_with_no_end_left_has_no_writer() {
        let (reader, writer) = io::pipe().unwrap();
        let probe = PipeProbe::of(&reader).unwrap();
        drop((reader, writer));
        assert!(!probe.has_writer().unwrap());
    }

    #[test]
    fn the_probe_is_no_reader() {
        let (reader, mut writer) = io::pipe().unwrap();
        let probe = PipeProbe::of(&reader).unwrap();
        drop(reader);
        assert_eq!(writer.write_all(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(probe.has_writer().unwrap());
    }
}
