//! Where a standalone run keeps its state unless it is told.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

/// `$XDG_STATE_HOME/jamul`, else `~/.local/state/jamul`.
///
/// # Errors
/// Neither variable is set.
pub(crate) fn default() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let base = base
        .or_else(home)
        .ok_or_else(|| anyhow!("neither XDG_STATE_HOME nor HOME is set; name a folder with --state"))?;
    Ok(base.join("jamul"))
}
