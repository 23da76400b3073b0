//! Images and binaries: built once for each platform, joined and published when all are there.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::shipped;
use crate::harness::run;

/// What a script prints.
fn output(script: &[&str]) -> String {
    let mut command = Command::new(shipped(script[0]));
    command.args(&script[1..]);
    let ended = run(command);
    assert_eq!(ended.code, 0, "{}", ended.err);
    ended.out.trim().to_string()
}

/// Every processor that a commit is built for.
pub fn platforms() -> Vec<String> {
    output(&[".ci/platform", "all"]).split(' ').map(String::from).collect()
}

/// Runs a script with a `docker` and a `gh` that write down how they are called and then do `answer`.
fn with_docker(script: &[&str], environment: &[(&str, &str)], answer: &str) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let calls = dir.path().join("calls");
    for name in ["docker", "gh"] {
        let text = format!("#!/bin/sh\necho \"$*\" >> {}\n{answer}\n", calls.display());
        std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(shipped(script[0]));
    command.args(&script[1..]).envs(environment.iter().copied());
    command.env("PATH", format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap()));
    let ended = run(command);
    let calls = std::fs::read_to_string(calls).unwrap_or_default();
    (ended.code, format!("{}{}", ended.out, ended.err), calls)
}

#[test]
fn tags_are_moved_in_the_registry_by_digest() {
    let digest = format!("ghcr.io/o/vitrine@sha256:{:064}", 1);
    let (code, _, calls) = with_docker(&[".ci/retag", &digest, "latest", "stable"], &[], "");
    let call = |tag: &str| format!("buildx imagetools create --tag ghcr.io/o/vitrine:{tag} {digest}\n");
    assert_eq!((code, calls), (0, call("latest") + &call("stable")));
    let (code, said, calls) = with_docker(&[".ci/retag", "ghcr.io/o/vitrine:a", "latest"], &[], "");
    assert_eq!((code, calls.as_str()), (2, ""), "{said}");
}

#[test]
fn a_commit_that_was_built_is_not_built_again() {
    let environment = [("IMAGE", "Owner/Vitrine"), ("REGISTRY", "docker.io")];
    let mine = output(&[".ci/platform"]);
    let check = |script: &[&str], is_there: &str, n_calls: usize| {
        let digest = format!("sha256:{:064}", 1);
        let answer =
            format!("case $* in *' inspect docker.io/owner/vitrine:{is_there} '*) echo {digest} ;; esac");
        let (code, said, calls) = with_docker(script, &environment, &answer);
        assert_eq!(
            (code, said),
            (0, format!("image=docker.io/owner/vitrine@{digest}\n")),
            "{is_there}: {calls}"
        );
        assert_eq!(calls.lines().count(), n_calls, "{is_there}: {calls}");
    };
    // For all platforms; and for this one, while another is not built yet.
    check(&[".ci/image", "sha-1", "1"], "sha-1", 1);
    check(&[".ci/image", "sha-1", "1"], &format!("sha-1-{mine}"), 2);
    check(&[".ci/index", "sha-1"], "sha-1", 1);
}

#[test]
fn images_are_joined_by_digest_when_all_are_there_and_say_what_is_in_them() {
    let image =
        |platform: &str| format!(r#"{{"platform": {{"architecture": "{platform}", "os": "linux"}}}}"#);
    let attestation = r#"{"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}"#;
    let whole = [image("amd64"), attestation.to_string(), image("arm64"), attestation.to_string()];
    // A registry in a folder: what is asked for is a file named by its tag.
    let join = |tags: &[&str], manifests: &[String]| {
        let dir = tempfile::tempdir().unwrap();
        for (idx, tag) in tags.iter().enumerate() {
            std::fs::write(dir.path().join(tag), format!("sha256:{idx:064}")).unwrap();
        }
        std::fs::write(dir.path().join("joined"), manifests.join(",\n")).unwrap();
        let answer = format!(
            "cd {}\ncase $* in\n*' inspect '*) cat \"${{4##*:}}\" ;;\n*' --dry-run '*) cat joined ;;\n\
             *' create --tag '*) printf sha256:%064d 9 > \"${{5##*:}}\" ;;\nesac",
            dir.path().display()
        );
        with_docker(&[".ci/index", "sha-1"], &[("IMAGE", "o/vitrine"), ("REGISTRY", "")], &answer)
    };
    let both = ["sha-1-amd64", "sha-1-arm64"];
    let (code, said, calls) = join(&both, &whole);
    assert_eq!((code, said), (0, format!("image=ghcr.io/o/vitrine@sha256:{:064}\n", 9)), "{calls}");
    let parts = format!("ghcr.io/o/vitrine@sha256:{:064} ghcr.io/o/vitrine@sha256:{:064}\n", 0, 1);
    let create = format!("buildx imagetools create --tag ghcr.io/o/vitrine:sha-1 {parts}");
    assert!(calls.contains(&create), "{calls}");

    let refused = |tags: &[&str], manifests: &[String], reason: &str| {
        let (code, said, calls) = join(tags, manifests);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(reason) && !calls.contains("--tag"), "{said}{calls}");
    };
    refused(&both[..1], &whole, "there is no ghcr.io/o/vitrine:sha-1-arm64");
    refused(&both[1..], &whole, "there is no ghcr.io/o/vitrine:sha-1-amd64");
    let [amd64, _, arm64, _] = &whole;
    let twice = [amd64.clone(), attestation.into(), amd64.clone(), attestation.into()];
    refused(&both, &twice, "sha-1-arm64 is no image for arm64");
    let bare = [amd64.clone(), attestation.into(), arm64.clone()];
    refused(&both, &bare, "of 2 images 1 have attestations");
}

#[test]
fn a_machine_of_another_kind_builds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let platform = |machine: &str| {
        let uname = dir.path().join("uname");
        std::fs::write(&uname, format!("#!/bin/sh\necho {machine}\n")).unwrap();
        std::fs::set_permissions(&uname, Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(shipped(".ci/platform"));
        command.env("PATH", format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap()));
        let ended = run(command);
        (ended.code, ended.out.trim().to_string())
    };
    assert_eq!(platform("x86_64"), (0, "amd64".to_string()));
    assert_eq!(platform("aarch64"), (0, "arm64".to_string()));
    assert_eq!(platform("riscv64"), (1, String::new()));
}

#[test]
fn a_build_is_labelled_pushed_by_its_own_tag_and_named_by_digest() {
    let head = run({
        let mut git = Command::new("git");
        git.args(["rev-parse", "HEAD"]).current_dir(shipped("."));
        git
    });
    if head.code != 0 {
        println!("skipped: the test of a build's call, this is no clone");
        return;
    }
    let (commit, digest) = (head.out.trim(), format!("sha256:{:064}", 7));
    let answer = format!(
        "case $* in\n*' inspect '*) exit 1 ;;\nbuildx\\ build\\ *)\n\
         while [ \"$1\" != --metadata-file ]; do shift; done\n\
         printf '{{\\n  \"containerimage.digest\": \"{digest}\"\\n}}\\n' > \"$2\" ;;\nesac"
    );
    let script = [".ci/image", "sha-7", commit, "https://example.org/o/vitrine"];
    let environment = [("IMAGE", "o/vitrine"), ("REGISTRY", "")];
    let (code, said, calls) = with_docker(&script, &environment, &answer);
    assert_eq!((code, said.as_str()), (0, format!("image=ghcr.io/o/vitrine@{digest}\n").as_str()), "{calls}");
    let build = calls.lines().find(|call| call.starts_with("buildx build ")).unwrap();
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    let platform = output(&[".ci/platform"]);
    let revision = format!("REVISION={commit}");
    for word in [
        "--build-arg SOURCE_DATE_EPOCH ",
        &version,
        &revision,
        "SOURCE=https://example.org/o/vitrine",
        "--sbom=true",
        &format!("--platform linux/{platform} "),
        &format!("name=ghcr.io/o/vitrine:sha-7-{platform},push=true"),
        &format!("--cache-from type=registry,ref=ghcr.io/o/vitrine:cache-{platform} "),
        &format!("--cache-to type=registry,ref=ghcr.io/o/vitrine:cache-{platform},"),
    ] {
        assert!(build.contains(word), "{word} is not in {build}");
    }
    let dockerfile = std::fs::read_to_string(shipped("Dockerfile")).unwrap();
    for label in ["version=\"${VERSION}\"", "revision=\"${REVISION}\"", "source=\"${SOURCE}\""] {
        assert!(dockerfile.contains(&format!("org.opencontainers.image.{label}")), "{label}");
    }
}

#[test]
fn a_release_has_the_binary_of_the_image_for_every_platform_and_their_checksums() {
    // The build is a program that says its version.
    let answer = r#"case $* in
        "buildx build --platform linux/"*" --target binary --output type=local,dest="*)
            dest=${8#type=local,dest=}
            printf '#!/bin/sh\necho vitrine of this test\n' > "$dest/vitrine" && chmod 755 "$dest/vitrine" ;;
    esac"#;
    let dir = tempfile::tempdir().unwrap();
    let dist = dir.path().to_str().unwrap();
    let tag = format!("v{}", env!("CARGO_PKG_VERSION"));
    let (code, said, calls) = with_docker(&[".ci/binary", &tag, dist], &[], answer);
    assert_eq!(code, 0, "{said}{calls}");
    assert!(said.contains("vitrine of this test\n"), "{said}");
    let (code, said, calls) = with_docker(&[".ci/binary", "v0.0.0", dist], &[], answer);
    assert_eq!((code, calls.as_str()), (1, ""));
    assert!(said.contains("the tag is 'v0.0.0', and Cargo.toml says"), "{said}");

    let publish = || with_docker(&[".ci/release", &tag, dist], &[], "");
    let refused = || {
        let (code, said, calls) = publish();
        assert_eq!((code, calls.as_str()), (1, ""), "{said}");
        assert!(said.contains("nothing is published"), "{said}");
    };
    // Those of the other machines are not there yet; then one lost something on its way.
    refused();
    let mine = format!("{dist}/vitrine-{tag}-linux-{}", output(&[".ci/platform"]));
    let sum = std::fs::read_to_string(format!("{mine}.sha256")).unwrap();
    let files = platforms().into_iter().map(|platform| format!("vitrine-{tag}-linux-{platform}"));
    let files: Vec<String> = files.collect();
    for file in &files {
        let sum = format!("{}  {file}\n", sum.split(' ').next().unwrap());
        std::fs::write(format!("{dist}/{file}.sha256"), sum).unwrap();
        std::fs::write(format!("{dist}/{file}"), "").unwrap();
        refused();
        std::fs::write(format!("{dist}/{file}"), "#!/bin/sh\necho vitrine of this test\n").unwrap();
    }
    let (code, said, calls) = publish();
    assert_eq!(code, 0, "{said}");
    let attached: String = files.iter().map(|file| format!(" {dist}/{file} {dist}/{file}.sha256")).collect();
    assert_eq!(calls, format!("release create {tag} --verify-tag --generate-notes{attached}\n"));
}
