//! The screen: readable at 80 columns and 24 lines, and without colour, which says nothing that a word does not.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::{
    board::{Board, Event, LAG_KEPT, Rates},
    look::{Look, NodeLook},
};

const HEADINGS: [&str; 8] = [
    "node", "role", "state", "lag", "trend", "reads/s", "others/s", "busy",
];

/// Bars from nothing to the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What the other columns take, and the blanks between all of them.
const OTHERS: u16 = 7 + 6 + 7 + 8 + 5 + 7;

/// The most that a reason takes of a line.
const MOST_STATE: u16 = 24;

/// How many lines of reasons there may be.
const REASONS: usize = 6;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, plain: bool) {
    let area = frame.area();
    let Some(look) = board.last() else {
        let text = board.problem().unwrap_or("there was no look yet");
        frame.render_widget(Paragraph::new(text.to_owned()), area);
        return;
    };
    let nodes = u16::try_from(look.nodes.len()).unwrap_or(u16::MAX);
    let reasons = board.reasons().len().min(REASONS);
    let reasons = u16::try_from(reasons).unwrap_or_default();
    let [head, table, why, events] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(nodes.saturating_add(2)),
        Constraint::Length(if reasons == 0 { 0 } else { reasons + 2 }),
        Constraint::Min(2),
    ])
    .areas(area);
    frame.render_widget(heading(board, look, plain), head);
    draw_nodes(frame, table, board, look, plain);
    if reasons > 0 {
        frame.render_widget(Paragraph::new(reason_lines(board, why.width)), why);
    }
    let lines = event_lines(board, events.height);
    frame.render_widget(Paragraph::new(lines), events);
}

fn heading(board: &Board, look: &Look, plain: bool) -> Paragraph<'static> {
    let primary = look.nodes.iter().find(|node| node.role == "primary");
    let mut words = vec![look.of.clone()];
    words.push(match primary {
        Some(primary) => format!("primary {}", primary.name),
        None => "NO PRIMARY".to_owned(),
    });
    if let Some(epoch) = look.epoch {
        words.push(format!("timeline {epoch}"));
    }
    if look.asleep {
        words.push("asleep".to_owned());
    }
    let all: f64 = board.reasons().iter().map(|(_, rate)| rate).sum();
    if all > 0.0 {
        words.push(format!("{} statements/s", short(all)));
    }
    words.push("q ends".to_owned());
    let bad = primary.is_none() || board.problem().is_some();
    let style = match (plain, bad) {
        (false, true) => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        _ => Style::new().add_modifier(Modifier::BOLD),
    };
    let second = match board.problem() {
        Some(why) => format!("OLD: {why}"),
        None => String::new(),
    };
    Paragraph::new(vec![
        Line::styled(words.join("   "), style),
        Line::raw(second),
    ])
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, board: &Board, look: &Look, plain: bool) {
    let most = look.nodes.iter().flat_map(|node| board.lags(&node.name));
    let most = most.flatten().fold(0.0, f64::max);
    let columns = Columns::of(area.width, look);
    let rows = look.nodes.iter().map(|node| {
        let rates = board.rates(&node.name);
        let rate = |of: fn(Rates) -> f64| rates.map_or_else(dash, |rates| short(of(rates)));
        let cells = [
            short_name(&node.name, columns.name),
            node.role.clone(),
            node.state().to_owned(),
            node.lag.map_or_else(dash, seconds),
            trend(board, node, most, columns.trend),
            rate(|rates| rates.reads),
            rate(|rates| rates.others),
            node.in_flight
                .map_or_else(dash, |count| match node.connections {
                    Some(all) => format!("{count}/{all}"),
                    None => count.to_string(),
                }),
        ];
        let row = Row::new(cells.map(Cell::from));
        match (plain, node.state()) {
            (false, "silent") => row.style(Style::new().fg(Color::Red)),
            (false, state) if state != "ok" => row.style(Style::new().fg(Color::Yellow)),
            _ => row,
        }
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(7),
        Constraint::Length(columns.state),
        Constraint::Length(6),
        Constraint::Length(columns.trend),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(5),
    ];
    let header = Row::new(HEADINGS).style(Style::new().add_modifier(Modifier::BOLD));
    frame.render_widget(Table::new(rows, widths).header(header), area);
}

/// The widths that depend on what stands there. Names and reasons go before the trend, which makes room for them.
struct Columns {
    name: u16,
    state: u16,
    trend: u16,
}

impl Columns {
    fn of(width: u16, look: &Look) -> Self {
        let longest = |word: fn(&NodeLook) -> &str, least: u16| {
            let widths = look.nodes.iter().map(|node| word(node).chars().count());
            u16::try_from(widths.max().unwrap_or_default())
                .unwrap_or(u16::MAX)
                .max(least)
        };
        let room = width.saturating_sub(OTHERS);
        let state = longest(NodeLook::state, 5).min(MOST_STATE).min(room);
        let wanted = longest(|node| &node.name, 4);
        let kept = u16::try_from(LAG_KEPT).unwrap_or_default();
        let trend = room.saturating_sub(state).saturating_sub(wanted).min(kept);
        Self {
            name: room - state - trend,
            state,
            trend,
        }
    }
}

/// The name, or as much of it as there is room for.
fn short_name(name: &str, width: u16) -> String {
    let width = usize::from(width);
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// How the lag went, the latest on the right, against the most that is on the screen; a blank where it was not known.
fn trend(board: &Board, node: &NodeLook, most: f64, width: u16) -> String {
    let bar = |lag: Option<f64>| match lag {
        None => ' ',
        Some(lag) if most > 0.0 => {
            let steps = BARS.len() - 1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to the number of bars"
            )]
            let at = (lag / most * steps as f64).round().max(0.0) as usize;
            BARS[at.min(steps)]
        }
        Some(_) => BARS[0],
    };
    let bars: Vec<char> = board.lags(&node.name).map(bar).collect();
    let width = usize::from(width);
    let latest: String = bars[bars.len().saturating_sub(width)..].iter().collect();
    format!("{latest:>width$}")
}

fn reason_lines(board: &Board, width: u16) -> Vec<Line<'static>> {
    let all: f64 = board.reasons().iter().map(|(_, rate)| rate).sum();
    let room = usize::from(width).saturating_sub(40);
    let mut lines = vec![Line::styled(
        "why statements went where they went",
        Style::new().add_modifier(Modifier::BOLD),
    )];
    for (reason, rate) in board.reasons().iter().take(REASONS) {
        let share = rate / all;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of the width"
        )]
        let long = (share * room as f64).round().max(0.0) as usize;
        let text = format!(
            "{reason:<18}{:>9}/s {:>4.0} % ",
            short(*rate),
            share * 100.0
        );
        lines.push(Line::from(vec![
            Span::raw(text),
            Span::raw("█".repeat(long)),
        ]));
    }
    lines.push(Line::raw(""));
    lines
}

fn event_lines(board: &Board, height: u16) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(
        "what happened, the latest first",
        Style::new().add_modifier(Modifier::BOLD),
    )];
    let room = usize::from(height.saturating_sub(1));
    let line = |event: &Event| {
        let ago = match board.looks_since(event) {
            0 => "now".to_owned(),
            1 => "1 look ago".to_owned(),
            looks => format!("{looks} looks ago"),
        };
        Line::raw(format!("{ago:>14}  {}", event.text))
    };
    lines.extend(board.events().take(room).map(line));
    if lines.len() == 1 {
        lines.push(Line::raw("nothing since this began"));
    }
    lines
}

fn dash() -> String {
    "-".to_owned()
}

fn seconds(lag: f64) -> String {
    match lag {
        lag if lag < 0.9995 => format!("{:.0}ms", lag * 1_000.0),
        lag if lag < 100.0 => format!("{lag:.1}s"),
        lag => format!("{lag:.0}s"),
    }
}

/// At most six characters.
fn short(rate: f64) -> String {
    match rate {
        rate if rate < 9.95 => format!("{rate:.1}"),
        rate if rate < 99_999.5 => format!("{rate:.0}"),
        rate if rate < 9_999_500.0 => format!("{:.0}k", rate / 1_000.0),
        rate => format!("{:.0}M", rate / 1_000_000.0),
    }
}
