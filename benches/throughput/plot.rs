//! A picture of the tables: a field for each load, a bar for each arm, what it did over `hand`.

use std::path::Path;

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{Result, rounds::Estimate};

/// One arm under one load.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) arm: &'static str,
    pub(crate) throughput: Estimate,
    pub(crate) p99: Estimate,
}

/// All arms under one load.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

/// The greatest ratio that is drawn; what is more is cut.
const END: f64 = 2.5;
/// Where the names of the arms end, in pixels.
const NAMES: i32 = 210;
/// The height of one arm, in pixels.
const ROW: i32 = 22;
/// The space above a field's first arm, in pixels.
const HEAD: i32 = 34;
/// The width of the drawing, in pixels.
const WIDTH: u32 = 900;

/// A drawing's own error, whatever file it goes to.
type Drawn<DB> = std::result::Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Draws all fields into a file, one below the other.
pub(crate) fn draw(fields: &[Field], to: &Path) -> Result<()> {
    let heights = fields.iter().map(height);
    let height = u32::try_from(heights.sum::<i32>())?.max(1);
    let area = SVGBackend::new(to, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut top = 0;
    for one in fields {
        field(&area, one, top)?;
        top += self::height(one);
    }
    area.present()?;
    Ok(())
}

fn height(field: &Field) -> i32 {
    let rows = i32::try_from(field.bars.len()).unwrap_or(i32::MAX / ROW);
    HEAD + ROW * rows + ROW / 2
}

fn field<DB: DrawingBackend>(
    area: &DrawingArea<DB, plotters::coord::Shift>,
    field: &Field,
    top: i32,
) -> Drawn<DB> {
    let title = ("sans-serif", 15).into_font().color(&BLACK);
    area.draw_text(&field.title, &title, (10, top + 10))?;
    let small = ("sans-serif", 12).into_font().color(&BLACK);
    for (column, name) in ["statements a second, over hand", "p99, over hand"]
        .into_iter()
        .enumerate()
    {
        area.draw_text(name, &small, (place(column, 0.0), top + 12 + ROW / 2 - 4))?;
    }
    let names = small.pos(Pos::new(HPos::Right, VPos::Center));
    for (row, bar) in field.bars.iter().enumerate() {
        let row = i32::try_from(row).unwrap_or_default();
        let middle = top + HEAD + ROW * row + ROW / 2;
        area.draw_text(bar.arm, &names, (NAMES - 8, middle))?;
        let color = if bar.arm.starts_with("sealane") {
            BLUE
        } else {
            RGBColor(120, 120, 120)
        };
        for (column, estimate) in [bar.throughput, bar.p99].into_iter().enumerate() {
            let across = |ratio: f64| place(column, ratio);
            let body = [
                (across(0.0), middle - 6),
                (across(estimate.median), middle + 6),
            ];
            area.draw(&Rectangle::new(body, color.mix(0.5).filled()))?;
            let reach = [
                (across(estimate.low), middle),
                (across(estimate.high), middle),
            ];
            area.draw(&PathElement::new(reach, BLACK))?;
        }
    }
    // What hand does is the measure.
    let bottom = top + height(field) - ROW / 2;
    for column in 0..2 {
        let line = [
            (place(column, 1.0), top + HEAD),
            (place(column, 1.0), bottom),
        ];
        area.draw(&PathElement::new(line, RED.stroke_width(1)))?;
    }
    Ok(())
}

/// How far to the right a ratio of this column stands.
#[expect(clippy::cast_possible_truncation, reason = "a place on a page")]
fn place(column: usize, ratio: f64) -> i32 {
    let width = (f64::from(WIDTH) - f64::from(NAMES)) / 2.0;
    let column = if column == 0 { 0.0 } else { 1.0 };
    let ratio = ratio.clamp(0.0, END) / END;
    (f64::from(NAMES) + (column + ratio * 0.95) * width).round() as i32
}
