//! Where in the hierarchy this process may create groups.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::getxattr;

/// systemd marks a group that it leaves to its service with one of these set to `1`.
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// The nearest group around this process that systemd delegated, else its own; `None` without a v2 hierarchy.
pub(super) fn usable_group() -> Option<PathBuf> {
    let mounts = fs::read("/proc/self/mountinfo").ok()?;
    let membership = fs::read("/proc/self/cgroup").ok()?;
    let (mount, own) = own_group(&mounts, &membership)?;
    let delegated =
        own.ancestors().take_while(|group| group.starts_with(&mount)).find(|group| is_delegated(group));
    Some(delegated.unwrap_or(&own).to_path_buf())
}

fn is_delegated(group: &Path) -> bool {
    let mut value = [0; 1];
    DELEGATED
        .iter()
        .any(|name| getxattr(group, *name, &mut value).is_ok_and(|length| length == 1 && value == *b"1"))
}

/// The mount point of the v2 hierarchy and this process's group in it.
fn own_group(mounts: &[u8], membership: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let (root, mount) = mounts.split(|&byte| byte == b'\n').find_map(v2_mount)?;
    let group = membership.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let below = Path::new(OsStr::from_bytes(group)).strip_prefix(&root).ok()?;
    // A group outside of what this namespace can see is shown by its way up.
    if below.components().any(|part| part == std::path::Component::ParentDir) {
        return None;
    }
    Some((mount.clone(), mount.join(below)))
}

/// Root and mount point of a line of `mountinfo`, if it is about cgroup v2:
/// `<id> <parent> <device> <root> <mount point> <options>... - <type> ...`.
fn v2_mount(line: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    (*fields.get(dash + 1)? == b"cgroup2").then_some(())?;
    Some((unescaped(fields.get(3)?), unescaped(fields.get(4)?)))
}

/// A path of `mountinfo`: space, tab, newline and backslash are written `\040` and so on.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let mut byte = *first;
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) = (byte, tail) {
            byte = (a - b'0') * 64 + (b - b'0') * 8 + (c - b'0');
            rest = after;
        }
        bytes.push(byte);
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &[u8] =
        b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const HYBRID: &[u8] = b"31 30 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        32 30 0:28 / /sys/fs/cgroup/a\\040b rw - cgroup2 cgroup rw\n";

    fn found(mounts: &[u8], membership: &str) -> Option<(&'static str, String)> {
        let (mount, own) = own_group(mounts, membership.as_bytes())?;
        let mount = if mount == Path::new("/sys/fs/cgroup") { "unified" } else { "hybrid" };
        Some((mount, own.display().to_string()))
    }

    #[test]
    fn the_own_group_is_found_in_unified_and_hybrid_hierarchies() {
        let service = "/sys/fs/cgroup/system.slice/a.service".to_owned();
        assert_eq!(found(UNIFIED, "0::/system.slice/a.service\n"), Some(("unified", service)));
        let hybrid = found(HYBRID, "8:pids:/x\n0::/y\n");
        assert_eq!(hybrid, Some(("hybrid", "/sys/fs/cgroup/a b/y".to_owned())));
    }

    #[test]
    fn a_container_that_sees_part_of_the_hierarchy_finds_its_own_group_or_none() {
        let part = b"30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let own = "/sys/fs/cgroup/a".to_owned();
        assert_eq!(found(part, "0::/docker/1/a\n"), Some(("unified", own)));
        assert_eq!(found(part, "0::/other\n"), None);
        assert_eq!(found(UNIFIED, "0::/../x\n"), None);
    }

    #[test]
    fn without_v2_there_is_none() {
        assert_eq!(found(b"31 30 0:27 / /c rw - cgroup cgroup rw,pids\n", "8:pids:/x\n"), None);
        assert_eq!(found(UNIFIED, "8:pids:/x\n"), None);
        assert_eq!(found(b"", ""), None);
    }
}
