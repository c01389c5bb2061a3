//! Reads which rooms of a house import which.

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Fails unless each room imports only rooms of floors below its own. The floors are given from the top
/// down; rooms of one floor do not know each other. Gives back how many imports there are.
#[track_caller]
pub(crate) fn imports_go_down(source: &Path, floors: &[&[&str]]) -> usize {
    let floor = |room: &str| {
        let found = floors.iter().position(|rooms| rooms.contains(&room));
        found.unwrap_or_else(|| panic!("the room `{room}` stands on no floor; put it on one here and in lib.rs"))
    };
    let mut imports = 0;
    for file in files(source) {
        let inside = file.strip_prefix(source).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&room) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                // `use crate::{a, b::c};` names several rooms.
                let rooms: Vec<&str> = match rest.strip_prefix('{') {
                    Some(list) => list.trim_end_matches("};").split(", ").collect(),
                    None => vec![rest],
                };
                for other in rooms {
                    let other = other.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                    if other != room {
                        imports += 1;
                        assert!(floor(other) > floor(room), "{}: `{room}` imports `{other}`: {line}", inside.display());
                    }
                }
            }
        }
    }
    imports
}
