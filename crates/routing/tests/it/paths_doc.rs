//! docs/paths.md says what is.

use std::path::Path;

use jamul_routing::path::{normalize, resolve};

#[test]
fn paths_are_what_the_table_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/paths.md");
    let page = std::fs::read_to_string(page).expect("docs/paths.md is there");
    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, asked, canonical, sent, _] = cells.as_slice() else { panic!("no row of three cells: {row}") };
        let path = asked.split('?').next().unwrap_or_default();
        if *canonical == "400" {
            assert!(normalize(path).is_err(), "{asked}");
        } else {
            assert_eq!(normalize(path).as_deref(), Ok(*canonical), "{asked}");
            assert_eq!(resolve(asked), *sent, "{asked}");
            let again = sent.split('?').next().unwrap_or_default();
            assert_eq!(normalize(again).as_deref(), Ok(*canonical), "what the upstream gets for {asked}");
        }
        rows += 1;
    }
    assert!(rows > 30, "{rows} rows");
}
