//! The folder of sounds on this machine that `play` may name (`media.sounds_dir`).
//!
//! Applications belong to tenants, so a name leads nowhere but into the folder: no `..`, no way out
//! by a symbolic link, nothing but regular files. Blocking; called on the blocking pool.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use media::source::file::MAX_BYTES;
use url::Url;

/// Why a local sound cannot be read. The texts say nothing about what lies outside of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the server has no folder of sounds")]
    NoFolder,
    #[error("not the name of a file in the folder of sounds")]
    BadName,
    #[error("no such file in the folder of sounds")]
    NotFound,
    #[error("file is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// Reads the file that `url` names: `file:///name` or `file://name`, folders in between allowed.
///
/// # Errors
/// Any [`Refused`].
pub(super) fn read(folder: Option<&Path>, url: &str) -> Result<Vec<u8>, Refused> {
    let folder = folder.ok_or(Refused::NoFolder)?;
    let name = name_in(url).ok_or(Refused::BadName)?;
    let not_found = |_| Refused::NotFound;
    let folder = fs::canonicalize(folder).map_err(not_found)?;
    let path = fs::canonicalize(folder.join(name)).map_err(not_found)?;
    // Links are followed, but not out of the folder. A pipe or a device would never end.
    if !path.starts_with(&folder) || !path.is_file() {
        return Err(Refused::NotFound);
    }
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(not_found)?;
    if bytes.len() > MAX_BYTES { Err(Refused::TooLong) } else { Ok(bytes) }
}

/// The name below the folder; `None` if it could lead out of it.
fn name_in(url: &str) -> Option<PathBuf> {
    let name = url.strip_prefix("file://")?.trim_start_matches('/');
    // `Url` would make something harmless of "../", but nobody means that.
    if name.split('/').any(|part| part == "..") {
        return None;
    }
    // Absolute by now, so that what stands first is not taken for a host; decodes %20 and the like.
    let path = Url::parse(&format!("file:///{name}")).ok()?.to_file_path().ok()?;
    let path = path.strip_prefix("/").ok()?;
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_plain && path.file_name().is_some()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder `sounds` beside a file that nobody may read; gone with its owner.
    struct Disk(PathBuf);

    impl Disk {
        fn new() -> Self {
            let root = std::env::temp_dir().join(format!("trunkline-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(root.join("sounds/en")).unwrap();
            fs::write(root.join("sounds/beep.wav"), "beep").unwrap();
            fs::write(root.join("sounds/en/good day.wav"), "good day").unwrap();
            fs::write(root.join("secret.wav"), "secret").unwrap();
            symlink(root.join("secret.wav"), root.join("sounds/out.wav")).unwrap();
            symlink(root.join("sounds/beep.wav"), root.join("sounds/in.wav")).unwrap();
            Self(root)
        }

        fn read(&self, url: &str) -> Result<Vec<u8>, Refused> {
            read(Some(&self.0.join("sounds")), url)
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_in_the_folder_are_read_by_either_form_of_name() {
        let disk = Disk::new();
        for (url, text) in [
            ("file:///beep.wav", "beep"),
            ("file://beep.wav", "beep"),
            ("file://./beep.wav", "beep"),
            ("file:///en/good%20day.wav", "good day"),
            ("file://en/good%20day.wav", "good day"),
            ("file://in.wav", "beep"),
        ] {
            assert_eq!(disk.read(url), Ok(text.into()), "{url}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let disk = Disk::new();
        for url in [
            "file://../secret.wav",
            "file:///../secret.wav",
            "file:///en/../../secret.wav",
            "file:///%2e%2e/secret.wav",
            "file:///.%2E%2Fsecret.wav",
            "file:///..%2fsecret.wav",
            "file:///en/..%2f..%2fsecret.wav",
            "file:///en\\..\\..\\secret.wav",
            "file:///out.wav",
            "file:///etc/passwd",
            "file:////etc/passwd",
            "file:///beep.wav%00",
            "file:///en",
            "file:///",
            "file://",
            "http://beep.wav",
        ] {
            let refused = disk.read(url);
            assert!(
                matches!(refused, Err(Refused::BadName | Refused::NotFound)),
                "{url}: {refused:?}"
            );
        }
        let absolute = format!("file://{}", disk.0.join("secret.wav").display());
        assert_eq!(disk.read(&absolute), Err(Refused::NotFound));
    }

    #[test]
    fn without_a_folder_every_name_is_refused() {
        assert_eq!(read(None, "file:///beep.wav"), Err(Refused::NoFolder));
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let disk = Disk::new();
        let long = File::create(disk.0.join("sounds/long.wav")).unwrap();
        long.set_len(MAX_BYTES as u64 + 1).unwrap();
        assert_eq!(disk.read("file://long.wav"), Err(Refused::TooLong));
    }
}
