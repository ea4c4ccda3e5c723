//! Whose server a connection leads to: names that move, and several servers behind one name (rules C4, C6).

mod balanced;
mod clocks;
mod moved;
mod strings;
mod swapped;
