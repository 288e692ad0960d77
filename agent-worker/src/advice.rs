//! How to review, keep, merge or drop what a run has left: commands that can be pasted into a shell.

use client::readable::{Line, Tone};

use crate::place::Place;
use crate::summary::Summary;

/// The commands, a line each.
pub(crate) fn advice(place: &Place, summary: &Summary) -> Vec<Line> {
    let tree = quoted(&place.tree.to_string_lossy());
    let project = quoted(&place.repository.top().to_string_lossy());
    let (branch, base) = (quoted(&place.branch), place.base());
    let back = match place.repository.branch() {
        Some(branch) => quoted(branch),
        None => format!("--detach {base}"),
    };
    let is_left = summary.commit.is_none() && !summary.files.is_empty();
    let mut commands = Vec::new();
    // New files are shown by a diff once git is told of them.
    let has_own = !summary.repositories.is_empty();
    let intent = if is_left && !has_own {
        format!("git -C {tree} add --intent-to-add --all && ")
    } else {
        String::new()
    };
    commands.push(("review", format!("{intent}git -C {tree} diff {base}")));
    // Git would note no more of a repository than that it is there.
    if is_left && !has_own {
        commands.push(("keep", format!("git -C {tree} add --all && git -C {tree} commit")));
    }
    if place.is_worktree {
        commands.push(("merge", format!("git -C {project} merge {branch}")));
        let remove = format!("git -C {project} worktree remove --force {tree}");
        commands.push(("drop", format!("{remove} && git -C {project} branch -D {branch}")));
    } else {
        commands
            .push(("merge", format!("git -C {project} switch {back} && git -C {project} merge {branch}")));
        let away =
            format!("git -C {project} reset --quiet --hard && git -C {project} clean --quiet -d --force");
        let delete = format!("git -C {project} switch {back} && git -C {project} branch -D {branch}");
        commands.push(("drop", if is_left { format!("{away} && {delete}") } else { delete }));
    }
    if has_own {
        // Whoever pastes it must not lose the only copy.
        let named = summary.repositories.join(", ");
        commands.retain(|(label, _)| *label != "drop");
        commands.push(("drop", format!("# first save what is in {named}: the branch does not hold it")));
    }
    commands.into_iter().map(|(label, command)| Line::new(label, Tone::Note, command)).collect()
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    // Only a NUL cannot be quoted, and neither a path nor a branch has one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |quoted| quoted.into_owned())
}
