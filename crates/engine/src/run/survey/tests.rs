use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

const ENOUGH: Duration = Duration::from_secs(60);

/// A workspace with these files in it.
fn workspace(files: &[&str]) -> TempDir {
    let place = TempDir::new().expect("a folder");
    for file in files {
        write(place.path(), file, "before");
    }
    place
}

fn write(folder: &Path, file: &str, content: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, content).expect("a file");
}

fn sorted(mut files: Vec<FileId>) -> Vec<FileId> {
    files.sort_unstable();
    files
}

fn ids<const N: usize>(folder: &Path, files: [&str; N]) -> Vec<FileId> {
    sorted(files.map(|file| FileId::of(&folder.join(file))).to_vec())
}

#[tokio::test]
async fn what_has_come_gone_or_changed_is_told_unless_git_ignores_it() {
    let repository = workspace(&[
        ".git/config",
        "a/edited",
        "a/longer",
        "a/runs",
        "removed",
        ".hidden",
        "same",
        "target/built",
        "inner/.git/config",
        "inner/file",
    ]);
    let folder = repository.path();
    write(folder, ".gitignore", "target/\n*.log\n");
    write(folder, ".git/info/exclude", "*.tmp\n");
    write(folder, "a/.gitignore", "!kept.log\n/only-here\n");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let edited = fs::File::options().write(true).open(folder.join("a/edited")).expect("a file");
    edited.set_modified(long_ago).expect("set");
    let survey = Survey::of(folder).await.expect("a repository");
    write(folder, "a/edited", "BEFORE");
    write(folder, "a/longer", "before and after");
    fs::set_permissions(folder.join("a/runs"), fs::Permissions::from_mode(0o755)).expect("set");
    fs::remove_file(folder.join("removed")).expect("removed");
    write(folder, ".hidden", "before and after");
    let ignored = ["target/built", "target/more", "run.log", "x.tmp", "a/only-here", "a/b/run.log"];
    let not_its_own = [".git/index", "inner/file", "inner/more"];
    for file in ignored.into_iter().chain(not_its_own).chain(["new", "a/kept.log", "a/b/only-here"]) {
        write(folder, file, "new");
    }
    symlink("same", folder.join("link")).expect("a link");
    let expected = [
        "a/edited",
        "a/longer",
        "a/runs",
        "removed",
        ".hidden",
        "new",
        "a/kept.log",
        "a/b/only-here",
        "link",
    ];
    assert_eq!(sorted(survey.changes(ENOUGH).await), ids(folder, expected));
}

#[tokio::test]
async fn a_folder_of_a_repository_is_looked_at_by_the_rules_of_all_of_it() {
    let repository = workspace(&[".git/config", "folder/file", "beside"]);
    write(repository.path(), ".gitignore", "*.log\n/folder/x\n");
    let folder = repository.path().join("folder");
    let survey = Survey::of(&folder).await.expect("a repository");
    write(repository.path(), "beside", "before and after");
    write(&folder, "x.log", "ignored");
    write(&folder, "x", "ignored");
    write(&folder, "file", "before and after");
    assert_eq!(survey.changes(ENOUGH).await, ids(&folder, ["file"]));
}

#[test]
fn what_other_rules_hide_or_show_has_not_changed() {
    let with = |rules, files: &[(u64, u64, i128)]| {
        let stamped = |(file, content, changed_at): &(u64, u64, i128)| {
            (FileId(*file), Stamp { content: *content, changed_at: *changed_at })
        };
        Look { rules, files: files.iter().map(stamped).collect() }
    };
    let before = || with(1, &[(1, 10, 5), (2, 10, 5), (3, 10, 5)]);
    let later = |rules| with(rules, &[(1, 10, 5), (2, 11, 25), (4, 10, 5), (5, 10, 25)]);
    let differ = |rules| sorted(before().differences(later(rules), 20));
    assert_eq!(differ(1), [2, 3, 4, 5].map(FileId));
    assert_eq!(differ(2), [2, 5].map(FileId));
}

#[test]
fn other_rules_are_noticed() {
    let repository = workspace(&[".git/config", "a/file", "b/.gitignore"]);
    let rules = || {
        let until = Instant::now() + ENOUGH;
        look(repository.path(), until, 10).expect("few files").rules
    };
    let before = rules();
    write(repository.path(), "a/file", "before and after");
    assert_eq!(rules(), before);
    write(repository.path(), "b/.gitignore", "x");
    assert_ne!(rules(), before);
    write(repository.path(), "b/.gitignore", "before");
    assert_eq!(rules(), before);
}

/// Who can write a repository can make anything of its rule files.
#[tokio::test]
async fn rules_that_are_no_plain_short_file_are_not_read() {
    let repository = workspace(&[".git/config", "file", "pipe/file", "endless/file"]);
    let folder = repository.path();
    mknodat(CWD, folder.join("pipe/.gitignore"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    symlink("/dev/zero", folder.join("endless/.gitignore")).expect("a link");
    fs::create_dir(folder.join(".gitignore")).expect("a folder");
    let survey = Survey::of(folder).await.expect("a repository");
    write(folder, "file", "before and after");
    assert_eq!(survey.changes(ENOUGH).await, ids(folder, ["file"]));
    let long = fs::File::create(folder.join("pipe/long")).expect("a file");
    long.set_len(1 << 40).expect("nothing but a hole");
    fs::rename(folder.join("pipe/long"), folder.join("pipe/.gitignore")).expect("in its place");
    assert!(Survey::of(folder).await.is_none(), "rules that cannot be known");
}

#[tokio::test]
async fn nothing_is_told_without_a_repository_or_time_or_of_too_many_files() {
    assert!(Survey::of(workspace(&["file"]).path()).await.is_none());
    let repository = workspace(&[".git/config", "one", "two", "three"]);
    let top = repository.path();
    let survey = Survey::of(top).await.expect("a repository");
    write(top, "four", "new");
    let now = Instant::now();
    assert_eq!(look(top, now, 4), None, "the time is over");
    assert_eq!(look(top, now + ENOUGH, 3), None, "too many");
    assert_eq!(look(top, now + ENOUGH, 4).map(|look| look.files.len()), Some(4));
    fs::remove_dir_all(top).expect("removed");
    assert_eq!(survey.changes(ENOUGH).await, [], "it is no repository any more");
}

/// Patterns as these, all in one set, took more memory than a machine has.
#[test]
fn many_patterns_are_obeyed_or_given_up_in_time() {
    let repository = workspace(&[".git/config"]);
    let top = repository.path();
    let rules: String = (0..2_000).map(|number| format!("*a*b*c{number}\n")).collect();
    write(top, ".gitignore", &rules);
    for number in 0..50 {
        write(top, &format!("xaxbxc-{number}-abcabc"), "");
    }
    write(top, "aabbc1999", "ignored");
    let looked = look(top, Instant::now() + ENOUGH, 100).expect("time enough");
    assert_eq!(looked.files.len(), 51, "the rules and what they do not name");
}
