//! Where the config and the state folder are.

use std::path::{Path, PathBuf};

/// The config's file name.
const CONFIG: &str = "syncline.toml";
/// The state folder's name.
const STATE: &str = ".syncline";

/// The config file: found upwards from `start`, else in the user's config folder.
pub(super) fn config(start: &Path, user_folder: Option<&Path>) -> Option<PathBuf> {
    upwards(start, CONFIG).or_else(|| {
        let file = user_folder?.join("syncline").join(CONFIG);
        file.is_file().then_some(file)
    })
}

/// The state folder: beside a config found upwards, else the nearest that exists upwards, else to be made in `start`.
pub(super) fn state(start: &Path) -> PathBuf {
    if let Some(config) = upwards(start, CONFIG) {
        return config.with_file_name(STATE);
    }
    upwards(start, STATE).unwrap_or_else(|| start.join(STATE))
}

/// The user's config folder, as the XDG base directory rules say.
pub(super) fn user_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))
}

fn upwards(start: &Path, name: &str) -> Option<PathBuf> {
    start.ancestors().map(|folder| folder.join(name)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_config_upwards_wins_and_the_state_is_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(state(&deep), deep.join(STATE));
        std::fs::create_dir(root.path().join(STATE)).unwrap();
        assert_eq!(state(&deep), root.path().join(STATE));
        std::fs::write(root.path().join("a").join(CONFIG), "").unwrap();
        assert_eq!(config(&deep, None), Some(root.path().join("a").join(CONFIG)));
        assert_eq!(state(&deep), root.path().join("a").join(STATE));
    }

    #[test]
    fn the_users_config_is_the_last_resort() {
        let root = tempfile::tempdir().unwrap();
        let user = tempfile::tempdir().unwrap();
        assert_eq!(config(root.path(), Some(user.path())), None);
        std::fs::create_dir(user.path().join("syncline")).unwrap();
        let file = user.path().join("syncline").join(CONFIG);
        std::fs::write(&file, "").unwrap();
        assert_eq!(config(root.path(), Some(user.path())), Some(file));
    }
}
