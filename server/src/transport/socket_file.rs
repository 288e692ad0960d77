//! A Unix socket in the file system.

use std::ffi::OsString;
use std::fs::{Metadata, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Where it is, and who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnixSocket {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
}

/// Why a socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("a server listens there: stop it, or choose another path")]
    InUse,
    #[error("there is something that is no socket: choose another path")]
    NoSocket,
    #[error(
        "cannot be listened on ({0}): choose a path of less than 100 bytes in a folder that the server may write to"
    )]
    Unusable(#[from] Error),
}

/// The file of a socket that is listened on. It goes with this value.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Whose successor may have put its own there.
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl UnixSocket {
    /// Listens. What a server that died left behind is replaced.
    ///
    /// # Errors
    /// When something else is there, or the socket cannot be made.
    pub(crate) fn bind(&self) -> Result<(UnixListener, SocketFile), SocketError> {
        self.check_place()?;
        // Under another name first: nobody may connect before the mode is right.
        let mut beside = OsString::from(&self.path);
        beside.push(".new");
        let beside = PathBuf::from(beside);
        remove(&beside)?;
        let listener = UnixListener::bind(&beside)?;
        let made = std::fs::set_permissions(&beside, Permissions::from_mode(self.mode))
            .and_then(|()| std::fs::symlink_metadata(&beside))
            .and_then(|file| std::fs::rename(&beside, &self.path).map(|()| identity(&file)))
            .and_then(|identity| listener.set_nonblocking(true).map(|()| identity));
        match made {
            Ok(identity) => Ok((listener, SocketFile { path: self.path.clone(), identity })),
            Err(error) => {
                remove(&beside)?;
                Err(error.into())
            }
        }
    }

    /// Whether the path is free, or has what a server that died left behind.
    pub(crate) fn check_place(&self) -> Result<(), SocketError> {
        match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
            Ok(file) if !file.file_type().is_socket() => Err(SocketError::NoSocket),
            Ok(_) => match UnixStream::connect(&self.path) {
                Ok(_) => Err(SocketError::InUse),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours =
            std::fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity);
        if is_ours && let Err(error) = remove(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket's file is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_servers_socket_is_replaced_and_a_live_ones_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixSocket { path: folder.path().join("s"), mode: 0o600 };
        drop(UnixListener::bind(&socket.path).expect("bound"));
        let (listener, file) = socket.bind().expect("bound");
        assert_eq!(std::fs::metadata(&socket.path).expect("there").mode() & 0o777, 0o600);
        assert!(matches!(socket.bind(), Err(SocketError::InUse)));
        drop((listener, file));
        assert!(!socket.path.exists());
        std::fs::write(&socket.path, "text").expect("written");
        assert!(matches!(socket.bind(), Err(SocketError::NoSocket)));
    }

    #[test]
    fn a_successors_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixSocket { path: folder.path().join("s"), mode: 0o600 };
        let (_listener, file) = socket.bind().expect("bound");
        std::fs::remove_file(&socket.path).expect("removed");
        let _successor = UnixListener::bind(&socket.path).expect("bound");
        drop(file);
        assert!(socket.path.exists());
    }
}
