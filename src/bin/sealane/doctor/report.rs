//! What was found, for people and for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use sealane::{NodeInspection, NodeStatus, ServerDetails};
use serde_json::{Value, json};

use super::findings::{self, Finding, Level, Picture};

const HEADINGS: [&str; 9] = [
    "node",
    "server",
    "role",
    "epoch",
    "lag",
    "answers in",
    "TLS",
    "read-only",
    "connections",
];

/// The nodes and the findings.
#[derive(Debug)]
pub(super) struct DoctorReport {
    picture: Picture,
    findings: Vec<Finding>,
}

impl DoctorReport {
    /// Of a cluster that was met.
    pub(super) fn of(picture: Picture) -> Self {
        let findings = findings::of(&picture);
        Self { picture, findings }
    }

    /// Where nobody could be met.
    pub(super) fn of_findings(findings: Vec<Finding>) -> Self {
        Self {
            picture: Picture::default(),
            findings,
        }
    }

    /// How bad the worst of it is.
    pub(super) fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// A table and lines.
    pub(super) fn write_text(&self, output: &mut impl Write) -> io::Result<()> {
        let nodes = self.picture.topology.nodes.iter();
        let rows: Vec<_> = nodes
            .map(|node| row(node, self.picture.told(node)))
            .collect();
        if !rows.is_empty() {
            write_table(output, &rows)?;
            writeln!(output)?;
        }
        for finding in &self.findings {
            let level = finding.level.as_str();
            match &finding.node {
                Some(node) => writeln!(output, "{level}: {node}: {}", finding.text)?,
                None => writeln!(output, "{level}: {}", finding.text)?,
            }
        }
        if self.worst() < Some(Level::Warning) {
            writeln!(output, "nothing is wrong")?;
        }
        Ok(())
    }

    /// One object: `nodes`, `findings`.
    pub(super) fn write_json(&self, output: &mut impl Write) -> io::Result<()> {
        let nodes = self.picture.topology.nodes.iter();
        let nodes: Vec<Value> = nodes
            .map(|node| {
                let told = self.picture.told(node);
                json!({
                    "status": node,
                    "details": told.and_then(|told| told.details.as_ref()),
                    "error": told.and_then(|told| told.error.as_ref()),
                    "may_open": told.map(|told| told.may_open),
                })
            })
            .collect();
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        let report = json!({ "nodes": nodes, "findings": findings });
        writeln!(output, "{report}")
    }
}

fn row(node: &NodeStatus, told: Option<&NodeInspection>) -> [String; 9] {
    let details = told.and_then(|told| told.details.as_ref());
    let detail = |of: fn(&ServerDetails) -> Option<String>| or_dash(details.and_then(of));
    let flavour = node.flavour.map(|flavour| format!("{flavour} "));
    [
        node.name.clone(),
        format!(
            "{}{}",
            flavour.unwrap_or_default(),
            detail(|details| details.version.as_deref().map(short))
        ),
        node.role.to_string(),
        or_dash(node.epoch.map(|epoch| epoch.to_string())),
        or_dash(node.lag.map(milliseconds)),
        detail(|details| Some(milliseconds(details.round_trip))),
        detail(|details| details.encrypted.map(yes_or_no)),
        detail(|details| details.read_only_default.map(yes_or_no)),
        detail(|details| {
            let (has, admits) = (details.connections?, details.max_connections?);
            Some(format!("{has} of {admits}"))
        }),
    ]
}

/// Without what a distribution adds in brackets.
fn short(version: &str) -> String {
    let end = version.find(" (").unwrap_or(version.len());
    version[..end].to_owned()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// Columns as wide as what stands in them.
fn write_table(output: &mut impl Write, rows: &[[String; 9]]) -> io::Result<()> {
    let headings = HEADINGS.map(str::to_owned);
    let lines = || std::iter::once(&headings).chain(rows);
    let width = |column: usize| {
        let widths = lines().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    for line in lines() {
        let cells = line.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(output, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
