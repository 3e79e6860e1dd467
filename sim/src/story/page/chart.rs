//! The lanes of an era as bars and marks on a row of columns, one for each row of its list.

use super::super::fold::Row;
use super::super::lanes::{self, Lanes, State, Touch};
use super::super::{EraEnd, EraStory, Moment, Role, words};
use crate::disk::Outcome;

/// Pixels of a column.
const COLUMN: usize = 26;
/// Pixels behind the last column: the cut, and what it left.
const END: usize = 44;
/// Pixels of one letter in a bar.
const LETTER: usize = 8;

/// The lanes of an era.
pub(super) struct Chart {
    pub width: usize,
    pub cut_x: usize,
    pub ticks: Vec<Tick>,
    pub lanes: Vec<Lane>,
}

/// The number of a column.
pub(super) struct Tick {
    pub x: usize,
    pub number: usize,
}

/// One lane.
pub(super) struct Lane {
    pub label: String,
    /// The same for those who do not see it.
    pub summary: String,
    pub bars: Vec<Bar>,
    pub marks: Vec<Mark>,
    pub end_sign: String,
    pub end_class: &'static str,
}

/// Columns of one state.
pub(super) struct Bar {
    pub class: &'static str,
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
    pub label: String,
    pub title: String,
}

/// Something that happened at a column.
pub(super) struct Mark {
    pub class: &'static str,
    pub x: usize,
    pub sign: char,
    pub title: String,
}

/// One column: the moment that it shows, or the last one that is folded into it.
struct Column {
    at: usize,
    is_folded: bool,
    by: (u32, u32),
}

/// Draws the lanes of the tasks and of the files.
pub(super) fn draw(era: &EraStory, files: &Lanes, rows: &[Row]) -> Chart {
    let column = |row: &Row| {
        let (at, is_folded) = match row {
            Row::Turn { .. } => return None,
            Row::Moment(at) => (*at, false),
            Row::Folded { last, .. } => (*last, true),
        };
        let by = era.moments.get(at)?.by();
        Some(Column { at, is_folded, by })
    };
    let columns: Vec<Column> = rows.iter().filter_map(column).collect();
    let cut_x = columns.len() * COLUMN;
    let mut tasks: Vec<u32> = columns.iter().map(|column| column.by.0).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let tasks = tasks.into_iter().map(|task| task_lane(era, &columns, task));
    let files = files
        .files
        .iter()
        .map(|&file| file_lane(era, &columns, file));
    let ticks = (1..=columns.len()).map(|number| Tick {
        x: (number - 1) * COLUMN + COLUMN / 2,
        number,
    });
    Chart {
        width: cut_x + END,
        cut_x,
        ticks: ticks.collect(),
        lanes: tasks.chain(files).collect(),
    }
}

/// Columns in a row that are alike, as the bar that they make.
fn bars<K: PartialEq + Clone>(
    columns: &[Column],
    kind: impl Fn(&Column) -> Option<K>,
    mut bar: impl FnMut(K, usize, usize) -> Bar,
) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut open: Option<(K, usize)> = None;
    let ends = columns.iter().map(kind).chain([None]);
    for (number, next) in ends.enumerate() {
        if let Some((kind, start)) = &open
            && next.as_ref() != Some(kind)
        {
            bars.push(bar(kind.clone(), *start, number));
            open = None;
        }
        if let (None, Some(kind)) = (&open, next) {
            open = Some((kind, number));
        }
    }
    bars
}

fn task_lane(era: &EraStory, columns: &[Column], task: u32) -> Lane {
    let of_task = |column: &Column| (column.by.0 == task).then_some(column.by.1);
    let bars = bars(columns, of_task, |op, start, end| {
        let width = (end - start) * COLUMN - 2;
        let label = match op {
            0 => String::new(),
            op if end - start < 3 => op.to_string(),
            op => format!("op {op}"),
        };
        Bar {
            class: "op",
            x: start * COLUMN,
            y: 2,
            width,
            height: 20,
            label: match end - start {
                1 => String::new(),
                _ if label.len() * LETTER + COLUMN > width => String::new(),
                _ => label,
            },
            title: words::turn(era, task, op),
        }
    });
    let mut marks = Vec::new();
    for (column, number) in columns.iter().zip(0..) {
        let Some(Moment::Event(event)) = era.moments.get(column.at) else {
            continue;
        };
        let (sign, class) = match (event.contradicts, event.said.role) {
            (true, _) => ('!', "lost"),
            (_, Role::Promise) => ('✓', "durable"),
            (_, Role::Shown) => ('»', "plain"),
            (_, Role::Fact) => continue,
        };
        if column.by.0 == task && !column.is_folded {
            marks.push(Mark {
                class,
                x: number * COLUMN + COLUMN / 2,
                sign,
                title: event.said.words.clone(),
            });
        }
    }
    let name = era.tasks.get(task as usize);
    let name = name.map_or_else(|| format!("task {task}"), Clone::clone);
    Lane {
        summary: format!("what {name} does"),
        label: name,
        bars,
        marks,
        end_sign: String::new(),
        end_class: "",
    }
}

fn file_lane(era: &EraStory, columns: &[Column], file: u32) -> Lane {
    let state = |column: &Column| match lanes::state(era, file, column.at) {
        State::Absent => None,
        State::Durable => Some("durable"),
        State::Pending => Some(match lanes::doom(era, file, column.at) {
            Outcome::Lost => "hatch lost",
            Outcome::Torn(_) => "hatch torn",
            _ => "hatch pending",
        }),
    };
    let bars = bars(columns, state, |class, start, end| Bar {
        class,
        x: start * COLUMN,
        y: if class == "durable" { 9 } else { 4 },
        width: (end - start) * COLUMN,
        height: if class == "durable" { 6 } else { 16 },
        label: String::new(),
        title: class.trim_start_matches("hatch ").to_owned(),
    });
    let mut marks = Vec::new();
    for (column, number) in columns.iter().zip(0..) {
        let touch = match column.is_folded {
            true => None,
            false => lanes::touch(era, file, column.at),
        };
        let Some(touch) = touch else { continue };
        let (sign, class) = match touch {
            Touch::Lost | Touch::Dropped => ('×', "lost"),
            Touch::Torn => ('~', "torn"),
            Touch::Issued => ('●', "pending"),
            Touch::Settled => ('■', "durable"),
        };
        marks.push(Mark {
            class,
            x: number * COLUMN + COLUMN / 2,
            sign,
            title: words::call(era, column.at),
        });
    }
    let outcome = lanes::outcome(era, file);
    let (sign, class) = match &outcome {
        Outcome::Durable | Outcome::Survived => ("■", "durable"),
        Outcome::Pending => ("·", "pending"),
        Outcome::Torn(_) => ("~", "torn"),
        Outcome::Lost => ("×", "lost"),
    };
    let is_power = matches!(era.end, EraEnd::Power(_));
    let label = era.file(file).map(|file| file.names.join(" → "));
    let label = label.unwrap_or_default();
    Lane {
        summary: format!("{label}: in the end {}", super::class_of(&outcome)),
        label,
        bars,
        marks,
        end_sign: if is_power {
            sign.to_owned()
        } else {
            String::new()
        },
        end_class: class,
    }
}
