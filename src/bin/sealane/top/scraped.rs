//! Looks at what an application tells in its metrics, in Prometheus' text form.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::{Duration, Instant},
};

use prometheus_parse::{Sample, Scrape, Value};
use sealane::Ineligible;

use super::look::{Look, NodeLook};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The most that is read of one.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// An application's page of metrics.
pub(super) struct Scraped {
    url: String,
    cluster: Option<String>,
    agent: ureq::Agent,
}

impl Scraped {
    pub(super) fn new(url: &str, cluster: Option<String>) -> io::Result<Self> {
        if !["http://", "https://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            let wants = "--metrics wants a URL, as http://127.0.0.1:9000/metrics";
            return Err(io::Error::other(wants));
        }
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .build();
        Ok(Self {
            url: url.to_owned(),
            cluster,
            agent: agent.into(),
        })
    }

    /// Asks for it; in vain, why.
    pub(super) async fn look(&self) -> Result<Look, String> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let asking = tokio::task::spawn_blocking(move || {
            let mut answer = agent.get(&url).call()?;
            let body = answer.body_mut().with_config().limit(MOST_BYTES);
            body.read_to_string()
        });
        let answer = match asking.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(err)) => return Err(format!("{} does not answer: {err}", self.url)),
            Err(err) => return Err(err.to_string()),
        };
        let cluster = self.cluster.as_deref();
        read(&answer, cluster).map_err(|why| format!("{}: {why}", self.url))
    }
}

/// What the page says of the one cluster that is meant.
pub(super) fn read(page: &str, cluster: Option<&str>) -> Result<Look, String> {
    let lines = page.lines().map(|line| Ok(line.to_owned()));
    let samples = Scrape::parse(lines).map_err(|err| err.to_string())?.samples;
    let ours = |sample: &&Sample| sample.metric.starts_with("sealane_");
    let clusters: BTreeSet<&str> = samples
        .iter()
        .filter(ours)
        .filter_map(|sample| sample.labels.get("cluster"))
        .collect();
    let meant = match (cluster, clusters.len()) {
        (Some(named), _) if clusters.contains(named) => named,
        (Some(named), _) => {
            return Err(format!("there is no cluster {named} ({})", list(&clusters)));
        }
        (None, 0) => return Err("there are no metrics of sealane".to_owned()),
        (None, 1) => clusters.first().copied().unwrap_or_default(),
        (None, _) => return Err(format!("say which one with --cluster: {}", list(&clusters))),
    };
    let mut look = Look {
        at: Instant::now(),
        of: format!("cluster {meant}"),
        epoch: None,
        asleep: false,
        nodes: Vec::new(),
        reasons: BTreeMap::new(),
        told: None,
    };
    let mut nodes = BTreeMap::new();
    for sample in samples.iter().filter(ours) {
        if sample.labels.get("cluster") == Some(meant) {
            take(&mut look, &mut nodes, sample);
        }
    }
    look.nodes = nodes.into_values().collect();
    // The primary first, as the list of a configuration has it.
    look.nodes.sort_by_key(|node| node.role != "primary");
    Ok(look)
}

fn list(clusters: &BTreeSet<&str>) -> String {
    clusters.iter().copied().collect::<Vec<_>>().join(", ")
}

fn take(look: &mut Look, nodes: &mut BTreeMap<String, NodeLook>, sample: &Sample) {
    let Some(value) = number(&sample.value) else {
        return;
    };
    let label = |name: &str| sample.labels.get(name).unwrap_or_default().to_owned();
    let Some(node) = sample.labels.get("node") else {
        match sample.metric.as_str() {
            "sealane_epoch" => look.epoch = Some(whole(value)).filter(|epoch| *epoch > 0),
            "sealane_asleep" => look.asleep = value > 0.0,
            _ => {}
        }
        return;
    };
    let known = nodes.entry(node.to_owned()).or_insert_with(|| NodeLook {
        name: node.to_owned(),
        answers: true,
        ..NodeLook::default()
    });
    match sample.metric.as_str() {
        "sealane_statements_total" => {
            let count = whole(value);
            let statements = known.statements.get_or_insert_default();
            match label("intent") == "read" {
                true => statements.reads += count,
                false => statements.others += count,
            }
            *look.reasons.entry(label("reason")).or_default() += count;
        }
        "sealane_node_role" if value > 0.0 => known.role = label("role"),
        "sealane_node_health" => known.answers = value > 0.0,
        "sealane_node_eligible" if value > 0.0 => {
            known.ineligible = why(label("reason"));
        }
        "sealane_node_lag_seconds" => known.lag = Some(value).filter(|lag| lag.is_finite()),
        "sealane_in_flight" => known.in_flight = Some(whole(value)),
        "sealane_pool_connections" => known.connections = Some(whole(value)),
        _ => {}
    }
}

/// Why a node serves no reads, as a topology says it. The primary's is its role.
fn why(reason: String) -> Option<String> {
    match reason.parse() {
        Ok(Ineligible::Primary) => None,
        Ok(why) => Some(why.to_string()),
        Err(_) => Some(reason).filter(|reason| reason != "eligible"),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => Some(*number),
        Value::Histogram(_) | Value::Summary(_) => None,
    }
}

/// Counters are whole numbers, in a form that has none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a negative one counts as 0, and one that is too large as the largest"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
