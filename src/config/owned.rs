//! Files in folders of ours. When root runs a command, what it makes belongs to whoever owns the folder, as the server that
//! runs as somebody else must be able to use it. The owner gains nothing by that: only what was made just now is given away, by
//! its descriptor, and nothing is opened through a link that somebody put there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

/// Makes a new file for its owner alone.
///
/// # Errors
/// Something of that name is there, even a link that leads nowhere; or it cannot be made or given.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    give(&file, path)?;
    Ok(file)
}

/// Opens a file to read and write, and makes it if it is not there.
///
/// # Errors
/// It cannot be opened or made, or is no file of its own: a link, say.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let there = fs::symlink_metadata(path)?;
    if !there.is_file() || there.nlink() > 1 {
        return Err(io::Error::other("it is a link or no file: remove it"));
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if is_same(&there, &file.metadata()?) {
        Ok(file)
    } else {
        Err(io::Error::other("it was exchanged while it was opened"))
    }
}

/// Makes a folder for its owner alone, if it is not there.
///
/// # Errors
/// It cannot be made or given, or is no folder of its own: a link, say.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => real_folder(path),
        Err(error) => Err(error),
        Ok(()) => {
            let made = File::open(path)?;
            if !is_same(&fs::symlink_metadata(path)?, &made.metadata()?) {
                return Err(io::Error::other("it was exchanged while it was made"));
            }
            give(&made, path)
        }
    }
}

/// Refuses a link to a folder, and anything else that is none.
///
/// # Errors
/// It is none, or cannot be looked at.
pub(crate) fn real_folder(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::Error::other("it is a link or no folder: remove it"))
    }
}

/// Nobody but root can give anything away, so that what another made stays theirs.
fn give(made: &File, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(parent)?;
    if made.metadata()?.uid() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    fchown(made, Some(owner.uid()), Some(owner.gid()))
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn nothing_is_opened_or_made_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let [target, link, nowhere] = ["target", "link", "nowhere"].map(|name| dir.path().join(name));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        symlink(dir.path().join("gone"), &nowhere).unwrap();
        for path in [&link, &nowhere] {
            assert!(create(path).is_err() && open_or_create(path).is_err(), "{}", path.display());
        }
        assert!(!dir.path().join("gone").exists());
        fs::hard_link(&target, dir.path().join("second")).unwrap();
        open_or_create(&target).unwrap_err();
        let linked = dir.path().join("folder");
        symlink(dir.path(), &linked).unwrap();
        folder(&linked).unwrap_err();
    }

    #[test]
    fn what_is_made_belongs_to_who_owns_the_folder_and_what_was_there_stays_whose_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let [made, there, inner] = ["made", "there", "inner"].map(|name| dir.path().join(name));
        fs::write(&there, "").unwrap();
        let own = fs::metadata(&there).unwrap().uid();
        // Only root can try it; anybody else owns it all.
        let owner = if own == 0 { 4711 } else { own };
        if own == 0 {
            chown(dir.path(), Some(owner), Some(owner)).unwrap();
        }
        create(&made).unwrap();
        folder(&inner).unwrap();
        folder(&inner).unwrap();
        open_or_create(&made).unwrap();
        open_or_create(&there).unwrap();
        let uid = |path: &Path| fs::metadata(path).unwrap().uid();
        assert_eq!((uid(&made), uid(&inner), uid(&there)), (owner, owner, own));
    }
}
