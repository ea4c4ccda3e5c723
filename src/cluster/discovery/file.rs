//! A watched file: JSON or TOML with the nodes, written by whoever knows them.
//!
//! ```toml
//! primary = "a"          # who was made the primary; left out, the nodes are asked
//! [[nodes]]
//! host = "db-1:5432"
//! name = "a"
//! weight = 2
//! zone = "eu-1"
//! tags = ["reports"]
//! ```

use std::path::Path;

use serde::Deserialize;

use super::{Answer, FoundNode, NoAnswer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileList {
    nodes: Vec<FileNode>,
    primary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    host: String,
    #[serde(default)]
    name: String,
    weight: Option<u32>,
    zone: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

/// A file that is half written is no answer; whoever writes it should rename a whole one into its place.
pub(super) async fn read(path: &Path) -> Result<Answer, NoAnswer> {
    let shown = path.display();
    let text = tokio::task::spawn_blocking({
        let path = path.to_owned();
        move || std::fs::read_to_string(path)
    });
    let text = text.await.map_err(|err| NoAnswer(err.to_string()))?;
    let text = text.map_err(|err| NoAnswer(format!("{shown}: {err}")))?;
    let list: FileList = match path.extension().is_some_and(|ending| ending == "json") {
        true => serde_json::from_str(&text).map_err(|err| NoAnswer(format!("{shown}: {err}")))?,
        false => {
            toml::from_str(&text).map_err(|err| NoAnswer(format!("{shown}: {}", err.message())))?
        }
    };
    let found = |node: FileNode| FoundNode {
        name: node.name,
        address: node.host,
        weight: node.weight,
        zone: node.zone,
        tags: node.tags,
    };
    Ok(Answer {
        nodes: list.nodes.into_iter().map(found).collect(),
        leader: list.primary,
    })
}
