//! The one layer of the image: a tar archive, the same bytes for the same content.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// The file capability CAP_NET_BIND_SERVICE, permitted and effective (`struct vfs_cap_data`, revision 2,
/// little-endian): on a host's network a user that is not root binds ports 80 and 443 by it.
const BINDS_LOW_PORTS: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub(super) struct Layer {
    tar: Builder<Vec<u8>>,
    folders: BTreeSet<PathBuf>,
}

impl Layer {
    pub(super) fn new() -> Self {
        Self { tar: Builder::new(Vec::new()), folders: BTreeSet::new() }
    }

    /// The program itself, which may bind low ports.
    pub(super) fn program(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let capability = ("SCHILY.xattr.security.capability", BINDS_LOW_PORTS.as_slice());
        self.tar.append_pax_extensions([capability])?;
        self.append(Path::new(path), content, 0o755)
    }

    pub(super) fn library(&mut self, path: &Path, content: &[u8]) -> Result<()> {
        self.append(path, content, 0o755)
    }

    pub(super) fn text(&mut self, path: &str, text: &str) -> Result<()> {
        self.append(Path::new(path), text.as_bytes(), 0o644)
    }

    /// The archive, and the same compressed.
    pub(super) fn bytes(self) -> Result<(Vec<u8>, Vec<u8>)> {
        let archive = self.tar.into_inner()?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&archive)?;
        Ok((archive, encoder.finish()?))
    }

    fn append(&mut self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let parents: Vec<&Path> =
            path.ancestors().skip(1).filter(|parent| *parent != Path::new("")).collect();
        for parent in parents.into_iter().rev() {
            if self.folders.insert(parent.to_owned()) {
                let mut header = header(0, 0o755, EntryType::Directory);
                self.tar.append_data(&mut header, parent, std::io::empty())?;
            }
        }
        let mut header = header(u64::try_from(content.len())?, mode, EntryType::Regular);
        self.tar.append_data(&mut header, path, content).with_context(|| format!("{}", path.display()))
    }
}

/// Everything that could differ from run to run is left at zero.
fn header(size: u64, mode: u32, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_size(size);
    header.set_mode(mode);
    header.set_entry_type(kind);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Vec<u8> {
        let mut layer = Layer::new();
        layer.program("jamul", b"program").expect("it fits");
        layer.text("usr/share/doc/jamul/LICENSE", "text").expect("it fits");
        layer.text("usr/share/doc/jamul/sbom.cdx.json", "{}").expect("it fits");
        layer.bytes().expect("nothing is written to disk").0
    }

    #[test]
    fn the_same_content_makes_the_same_bytes() {
        assert_eq!(layer(), layer());
    }

    #[test]
    fn folders_come_once_and_before_what_is_in_them() {
        let bytes = layer();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let paths: Vec<String> = archive
            .entries()
            .expect("an archive")
            .map(|entry| entry.and_then(|entry| Ok(entry.path()?.display().to_string())).expect("an entry"))
            .collect();
        let expected = [
            "jamul",
            "usr",
            "usr/share",
            "usr/share/doc",
            "usr/share/doc/jamul",
            "usr/share/doc/jamul/LICENSE",
            "usr/share/doc/jamul/sbom.cdx.json",
        ];
        assert_eq!(paths, expected);
    }
}
