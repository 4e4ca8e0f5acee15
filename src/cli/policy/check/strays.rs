//! Files in the folder of policies that nobody reads: what stands in them neither refuses nor tests anything.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// So many folders below the one of policies are looked into.
const DEPTH: usize = 3;
/// So many entries are looked at: this is a courtesy, and must not take long.
const ENTRIES: usize = 20_000;

/// The files with the ending of policies or tests that are not read, in the order of names.
pub(super) fn strays(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), ENTRIES);
    look(folder, Path::new(""), DEPTH, &mut left, &mut found);
    found.sort();
    found
}

fn look(folder: &Path, within: &Path, depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder.join(within)).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        *left = left.saturating_sub(1);
        let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
        // What is hidden is meant to be: folders of tools, and how a mounted folder is laid out.
        if *left == 0 || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = within.join(&name);
        if kind.is_dir() && depth > 0 {
            look(folder, &path, depth - 1, left, found);
        } else if !kind.is_dir() && is_meant(&path) && !is_read(&path) {
            found.push(folder.join(path));
        }
    }
}

/// Whether the name says that it is a policy, a test or a schema.
fn is_meant(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    ["cedar", "toml", "cedarschema"].contains(&ending.as_str())
}

fn is_read(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    match path.parent().and_then(Path::to_str) {
        Some("") => ending == Some("cedar") || path == Path::new("schema.cedarschema"),
        Some("tests") => ending == Some("toml"),
        Some("invariants") => ending == Some("cedar"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_policy_or_a_test_and_is_not_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let read = ["a.cedar", "schema.cedarschema", "tests/a.toml", "invariants/a.cedar", "README.md", ".git/x.cedar"];
        let stray =
            ["a.toml", "b.CEDAR", "invariant/a.cedar", "invariants/a.toml", "more/deep/a.cedar", "tests/b/a.toml"];
        for name in read.iter().chain(&stray) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(strays(folder.path()), stray.map(|name| folder.path().join(name)));
        assert!(strays(Path::new("/nowhere")).is_empty());
    }
}
