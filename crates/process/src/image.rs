//! What a child is to become, in the system's terms.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::Spec;
use crate::fork::Image;
use crate::owner::{MARKER_VARIABLE, Marker};

/// Where programs are looked for when the child has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Both ends of the three pipes between a child and this process.
pub(crate) struct Pipes {
    pub(crate) ours: [OwnedFd; 3],
    theirs: [OwnedFd; 3],
}

impl Pipes {
    pub(crate) fn open() -> io::Result<Self> {
        let [(in_read, in_write), (out_read, out_write), (err_read, err_write)] = [pipe()?, pipe()?, pipe()?];
        Ok(Self { ours: [in_write, out_read, err_read], theirs: [in_read, out_write, err_write] })
    }
}

/// No end is one of the descriptors 0 to 2, which a server with closed streams would be given.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((fcntl_dupfd_cloexec(&read, 3)?, fcntl_dupfd_cloexec(&write, 3)?))
}

/// Puts the spec of a child into the system's terms.
///
/// # Errors
/// When a string holds a NUL.
pub(crate) fn image<'a>(
    spec: &Spec,
    marker: &Marker,
    pipes: &'a Pipes,
    door: Option<&'a impl AsFd>,
) -> io::Result<Image<'a>> {
    let programs = candidates(spec).into_iter().map(|path| c_string(path.as_os_str()));
    let argv =
        [spec.program.as_os_str()].into_iter().chain(spec.args.iter().map(OsString::as_os_str)).map(c_string);
    Ok(Image {
        programs: programs.collect::<io::Result<_>>()?,
        argv: argv.collect::<io::Result<_>>()?,
        env: environment(spec, marker)?,
        cwd: c_string(spec.cwd.as_os_str())?,
        streams: pipes.theirs.each_ref().map(AsFd::as_fd),
        door: door.map(AsFd::as_fd),
        limits: spec.limits.clone(),
    })
}

/// Where the program may be, seen from the working directory: at its path, or in the directories of the child's
/// own `PATH`.
pub(crate) fn candidates(spec: &Spec) -> Vec<PathBuf> {
    if spec.program.as_os_str().as_bytes().contains(&b'/') {
        return vec![spec.program.clone()];
    }
    let path = spec.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let directories =
        path.as_bytes().split(|&byte| byte == b':').map(|part| Path::new(OsStr::from_bytes(part)));
    directories.map(|directory| directory.join(&spec.program)).collect()
}

/// `name=value`, each name once: of several the last counts, and nobody forges the marker.
fn environment(spec: &Spec, marker: &Marker) -> io::Result<Vec<CString>> {
    let marked = (OsString::from(MARKER_VARIABLE), OsString::from(marker.to_string()));
    let all: Vec<_> = spec.env.iter().chain([&marked]).collect();
    let last = |index: usize, name: &OsString| all.iter().skip(index + 1).all(|(later, _)| later != name);
    let counting = all.iter().enumerate().filter(|(index, (name, _))| last(*index, name));
    counting
        .map(|(_, (name, value))| c_string(&[name.as_os_str(), value.as_os_str()].join(OsStr::new("="))))
        .collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.to_owned().into_vec()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{:?} holds a NUL", text.to_string_lossy()))
    })
}

#[cfg(test)]
mod tests {
    use crate::owner::Server;
    use crate::{Limits, Owner};

    use super::*;

    fn spec(program: &str, env: &[(&str, &str)]) -> Spec {
        Spec {
            program: program.into(),
            args: Vec::new(),
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd: "/".into(),
            owner: Owner::new("o").unwrap(),
            limits: Limits::default(),
            cgroup: None,
        }
    }

    #[test]
    fn a_program_is_looked_for_in_the_childs_own_path() {
        let found = |program, env: &[(&str, &str)]| {
            candidates(&spec(program, env))
                .into_iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(found("a", &[("PATH", "/x::y")]), ["/x/a", "a", "y/a"]);
        assert_eq!(found("./a", &[("PATH", "/x")]), ["./a"]);
        assert_eq!(found("a", &[]), ["/bin/a", "/usr/bin/a"]);
    }

    #[test]
    fn of_several_values_the_last_counts_and_the_marker_is_not_forged() {
        let env = [("A", "1"), (MARKER_VARIABLE, "forged"), ("B", "2"), ("A", "3")];
        let marker = Marker::next(Owner::new("o").unwrap(), Server::this().unwrap());
        let found = environment(&spec("a", &env), &marker).unwrap();
        let expected = ["B=2".to_owned(), "A=3".to_owned(), format!("{MARKER_VARIABLE}={marker}")];
        assert_eq!(found, expected.map(|entry| CString::new(entry).unwrap()));
    }
}
