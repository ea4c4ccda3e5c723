//! PostgreSQL servers dressed up as other systems: what they say of themselves is what those say by their documentation
//! (T18). What such a system does with its data nobody can see here.

mod aurora;
mod dress;
mod everywhere;
mod followers;
mod foreign;
mod subscriber;
