//! A file with new content: written beside it, looked at there, and put in its place in one step, so that it is whole at any
//! moment, and never what somebody else just changed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Puts `text` in the place of `before`. `look` sees the file before it gets its name. Mode and owner stay.
///
/// # Errors
/// The file cannot be read or written, it does not hold `before`, or `look` refuses.
pub(super) fn replace(
    file: &Path,
    before: &str,
    text: &str,
    look: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let file = fs::canonicalize(file).with_context(|| format!("can't find `{}`", file.display()))?;
    let named = |what: &str| format!("can't {what} `{}`", file.display());
    let folder = file.parent().with_context(|| named("find the folder of"))?;
    let (mut beside, there) = (beside(&file, folder)?, fs::metadata(&file).with_context(|| named("read"))?);
    beside.write_all(text.as_bytes()).with_context(|| named("write beside"))?;
    beside.as_file().set_permissions(there.permissions()).with_context(|| named("keep the mode of"))?;
    let made = beside.as_file().metadata()?;
    if (made.uid(), made.gid()) != (there.uid(), there.gid()) {
        chown(beside.path(), Some(there.uid()), Some(there.gid())).with_context(|| named("keep the owner of"))?;
    }
    look(beside.path())?;
    beside.as_file().sync_all()?;
    if fs::read_to_string(&file).with_context(|| named("read"))? != before {
        bail!("`{}` was changed by somebody else just now: try again", file.display());
    }
    beside.persist(&file).with_context(|| named("replace"))?;
    keep(folder).with_context(|| named("keep"))
}

/// Makes `file` with `text` in it.
///
/// # Errors
/// It is there already, or cannot be written.
pub(super) fn create(file: &Path, text: &str) -> anyhow::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut made = beside(file, &folder)?;
    made.write_all(text.as_bytes()).with_context(|| format!("can't write `{}`", file.display()))?;
    made.as_file().sync_all()?;
    made.persist_noclobber(file).with_context(|| format!("can't make `{}`", file.display()))?;
    keep(&folder).with_context(|| format!("can't keep `{}`", file.display()))
}

/// A new file that nothing else looks at: no name of a policy, a test or the settings ends like this.
fn beside(file: &Path, folder: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let made = tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(".new").tempfile_in(folder);
    made.with_context(|| format!("can't write into `{}`, beside `{}`", folder.display(), file.display()))
}

/// Makes sure that the folder keeps the name: names live there.
fn keep(folder: &Path) -> io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_unless_somebody_else_was_quicker() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.cedar");
        create(&file, "one").unwrap();
        assert!(create(&file, "other").is_err(), "it is there already");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&file, "one", "two", |_| Ok(())).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(replace(&file, "one", "three", |_| Ok(())).unwrap_err().to_string().contains("somebody else"));
        assert!(replace(&file, "two", "three", |_| bail!("no")).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
