//! Reads manifest files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::manifest::SourceFile;

/// Reads files, and the `*.yaml` and `*.yml` of directories.
pub fn read(paths: &[PathBuf]) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    for path in paths {
        let fail = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
        if path.is_dir() {
            let mut names: Vec<PathBuf> = fs::read_dir(path)
                .map_err(fail)?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"))
                .collect();
            names.sort();
            for name in names {
                files.push(one(&name).map_err(fail)?);
            }
        } else {
            files.push(one(path).map_err(fail)?);
        }
    }
    Ok(files)
}

fn one(path: &Path) -> std::io::Result<SourceFile> {
    Ok(SourceFile { name: path.display().to_string(), text: fs::read_to_string(path)? })
}
