use std::fs;
use std::os::unix::fs::PermissionsExt;

use process::{SpawnError, Spec, spawn};

use crate::child::spec;

async fn refusal(spec: Spec) -> String {
    match spawn(spec).await {
        Ok(_) => "started".to_owned(),
        Err(SpawnError::ProgramMissing { program }) => format!("missing {}", program.display()),
        Err(SpawnError::NotExecutable { program, .. }) => format!("not executable {}", program.display()),
        Err(SpawnError::WorkingDirectory { cwd, .. }) => format!("directory {}", cwd.display()),
        Err(SpawnError::Os(error)) => format!("system {:?}", error.kind()),
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_start_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = file("plain", "hello", 0o644);
    let garbage = file("garbage", "\u{1}\u{2}", 0o755);
    let lost_interpreter = file("lost", "#!/no/such/interpreter\n", 0o755);
    let in_file = Spec { cwd: plain.clone().into(), ..spec("sh", &[]) };
    let in_nowhere = Spec { cwd: "/no/such/place".into(), ..spec("sh", &[]) };
    let cases = [
        (spec("/no/such/program", &[]), "missing /no/such/program".to_owned()),
        (spec("no-such-program", &[]), "missing no-such-program".to_owned()),
        (spec(&plain, &[]), format!("not executable {plain}")),
        (spec(&garbage, &[]), format!("not executable {garbage}")),
        (spec(&lost_interpreter, &[]), format!("not executable {lost_interpreter}")),
        (in_nowhere, "directory /no/such/place".to_owned()),
        (in_file, format!("directory {plain}")),
        (spec("sh", &["a\0b"]), "system InvalidInput".to_owned()),
    ];
    for (spec, expected) in cases {
        assert_eq!(refusal(spec).await, expected);
    }
}
