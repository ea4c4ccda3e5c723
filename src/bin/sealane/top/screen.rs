//! A terminal that is drawn on until a key ends it, and one screen as text.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal, Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers},
};

use super::{board::Board, draw::draw};

/// The size that all of it has to fit into.
const SIZE: (u16, u16) = (80, 24);

/// The operator's terminal; given back as it was when this is dropped, and after a panic.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    plain: bool,
}

impl Screen {
    pub(super) fn open(plain: bool) -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            let wants = "standard output is no terminal: --once prints one screen as text";
            return Err(io::Error::other(wants));
        }
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, plain })
    }

    pub(super) fn draw(&mut self, board: &Board) -> io::Result<()> {
        let plain = self.plain;
        self.terminal.draw(|frame| draw(frame, board, plain))?;
        Ok(())
    }

    /// Waits for the next look; whether a key has ended all of it. Draws anew where the terminal has another size.
    pub(super) async fn is_ended_within(
        &mut self,
        time: Duration,
        board: &Board,
    ) -> io::Result<bool> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // The handle's tasks go on meanwhile.
            let heard = tokio::task::spawn_blocking(move || match event::poll(left) {
                Ok(true) => event::read().map(Some),
                Ok(false) => Ok(None),
                Err(err) => Err(err),
            });
            match heard.await.map_err(io::Error::other)?? {
                None => return Ok(false),
                Some(Event::Key(key)) if is_end(key) => return Ok(true),
                Some(Event::Resize(..)) => self.draw(board)?,
                Some(_) => {}
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn is_end(key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// One screen on standard output.
pub(super) fn print(board: &Board) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in lines(board)? {
        writeln!(output, "{line}")?;
    }
    output.flush()
}

/// The screen's lines, without what is blank at their ends.
pub(super) fn lines(board: &Board) -> io::Result<Vec<String>> {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(SIZE.0, SIZE.1));
    let Ok(_) = terminal.draw(|frame| draw(frame, board, true));
    let mut lines = text(terminal.backend().buffer());
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    Ok(lines)
}

fn text(buffer: &Buffer) -> Vec<String> {
    let line = |y: u16| {
        let cells = (0..buffer.area.width).filter_map(|x| buffer.cell((x, y)));
        let line: String = cells.map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    };
    (0..buffer.area.height).map(line).collect()
}
