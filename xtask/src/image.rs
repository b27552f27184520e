//! `cargo xtask image`: the container image, made without a container engine.
//!
//! One layer: the program, its users, its licence and a bill of materials. Built here the program is static
//! (musl), so that nothing else is in it. `--program FILE` packs one that is there, with the shared libraries
//! that it asks for: what tests do with a debug build.

mod bill;
mod layer;
mod oci;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{self, cargo, output, program, run};
use layer::Layer;

/// The target of the static program, and the C compiler for it (of Debian's musl-tools). It is no linker here: the
/// position-independent program that it links does not start.
const TARGET: &str = "x86_64-unknown-linux-musl";
const COMPILER: (&str, &str) = ("CC_x86_64_unknown_linux_musl", "musl-gcc");

/// Who the program runs as: nobody's account, by number so that `runAsNonRoot` can be checked.
const USER: u32 = 65532;
const ACCOUNTS: &str = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUPS: &str = "root:x:0:\nnonroot:x:65532:\n";

/// An image is not to be larger than this, compressed.
const LARGEST: u64 = 25_000_000;

pub(crate) fn command(arguments: &[&str]) -> Result<()> {
    let (file, out) = match arguments {
        ["--program", file, out] => (Some(PathBuf::from(file)), out),
        [out] if !out.starts_with('-') => (None, out),
        _ => bail!("image {}: expected [--program FILE] OUT.tar", arguments.join(" ")),
    };
    let is_built = file.is_none();
    let file = match file {
        Some(file) => process::root()?.join(file),
        None => static_program()?,
    };
    let image = oci::archive(layer(&file)?, &version()?)?;
    let size = u64::try_from(image.len())?;
    if is_built && size > LARGEST {
        bail!("the image has {size} bytes, and should have {LARGEST} at most");
    }
    let out = process::root()?.join(out);
    fs::write(&out, image).with_context(|| format!("could not write {}", out.display()))?;
    println!("{}: {:.1} MB", out.display(), size as f64 / 1e6);
    Ok(())
}

/// What is in the image.
fn layer(file: &Path) -> Result<Layer> {
    let mut layer = Layer::new();
    let read = |path: &Path| fs::read(path).with_context(|| format!("could not read {}", path.display()));
    layer.program("jamul", &read(file)?)?;
    for library in libraries(file)? {
        let path = library.strip_prefix("/").context("a library has an absolute path")?;
        layer.library(path, &read(&library)?)?;
    }
    layer.text("etc/passwd", ACCOUNTS)?;
    layer.text("etc/group", GROUPS)?;
    layer.text("usr/share/doc/jamul/LICENSE", &fs::read_to_string(process::root()?.join("LICENSE"))?)?;
    layer.text("usr/share/doc/jamul/sbom.cdx.json", &bill::of_materials(TARGET)?)?;
    Ok(layer)
}

/// The shared libraries that the loader would map; none for a static program.
fn libraries(file: &Path) -> Result<Vec<PathBuf>> {
    let listed = program("ldd")?.arg(file).output().context("could not start ldd")?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}

fn static_program() -> Result<PathBuf> {
    if program(COMPILER.1)?.arg("--version").output().is_err() {
        bail!("no {}: install Debian's package musl-tools", COMPILER.1);
    }
    run(program("rustup")?.args(["target", "add", TARGET]))?;
    let arguments = ["build", "--package", "jamul", "--profile", "dist", "--target", TARGET];
    run(cargo(&arguments)?.env(COMPILER.0, COMPILER.1))?;
    Ok(process::root()?.join("target").join(TARGET).join("dist/jamul"))
}

/// Of the package that the program is built from.
fn version() -> Result<String> {
    let id = output(&mut cargo(&["pkgid", "--package", "jamul"])?)?;
    let version = id.trim().rsplit(['#', '@']).next().context("cargo pkgid names no version")?;
    Ok(version.to_owned())
}
