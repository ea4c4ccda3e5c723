//! I1 as properties: what writes is never a read, what SeaORM renders for a read always is.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use sea_orm::DbBackend;
use sea_orm::sea_query::{
    Alias, Asterisk, CaseStatement, CommonTableExpression, Cond, Expr, ExprTrait, Func,
    MysqlQueryBuilder, Order, PostgresQueryBuilder, Query, SelectStatement, SqliteQueryBuilder,
    UnionType,
};

use super::generate::{Choices, harmful, harmless, render};
use crate::{Intent, classify};

/// `PROPTEST_CASES` asks for more; a failure prints the bytes it was built from.
fn config(cases: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").map(|_| Config::default().cases);
    Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn what_writes_locks_or_acts_is_never_a_read(bytes in vec(any::<u8>(), 0..160)) {
        let mut choices = Choices::new(&bytes);
        let backend = choices.backend();
        let text = harmful(&mut choices, backend);
        let verdict = classify(backend, &text);
        prop_assert_ne!(verdict.intent(), Intent::Read, "{:?}: {}", backend, text);
    }

    /// A generator that makes nothing shows nothing: the same text around a harmless call is a read.
    #[test]
    fn what_stands_around_is_harmless_by_itself(bytes in vec(any::<u8>(), 0..160)) {
        let mut choices = Choices::new(&bytes);
        let backend = choices.backend();
        let text = harmless(&mut choices, backend);
        let verdict = classify(backend, &text);
        prop_assert_eq!(verdict.intent(), Intent::Read, "{:?}: {} -> {:?}", backend, text, verdict);
    }

    /// Nothing that can be typed stops the classifier, and nothing but a query is a read.
    #[test]
    fn any_text_is_judged(backend in 0_u8..3, text in "[ -~\n]{0,60}") {
        let backend = Choices::new(&[backend]).backend();
        let _ = classify(backend, &text);
    }

}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn what_seaorm_renders_for_a_read_is_a_read(bytes in vec(any::<u8>(), 0..120)) {
        let mut choices = Choices::new(&bytes);
        for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
            let select = select(&mut choices, 2);
            let text = match backend {
                DbBackend::MySql => select.to_string(MysqlQueryBuilder),
                DbBackend::Sqlite => select.to_string(SqliteQueryBuilder),
                _ => select.to_string(PostgresQueryBuilder),
            };
            let built = match backend {
                DbBackend::MySql => select.build(MysqlQueryBuilder).0,
                DbBackend::Sqlite => select.build(SqliteQueryBuilder).0,
                _ => select.build(PostgresQueryBuilder).0,
            };
            for text in [text, built] {
                let verdict = classify(backend, &text);
                prop_assert_eq!(verdict.intent(), Intent::Read, "{:?}: {} -> {:?}", backend, text, verdict);
            }
        }
    }

    /// Blanks, comments and case change nothing.
    #[test]
    fn a_read_stays_one_in_any_layout(bytes in vec(any::<u8>(), 0..120)) {
        let mut choices = Choices::new(&bytes);
        let backend = choices.backend();
        let tokens: Vec<String> = "SELECT t . a , count ( * ) FROM t LEFT JOIN u ON t . a = u . b WHERE t . c = 'x' AND \
            lower ( u . d ) IN ( 'y' , 'z' ) GROUP BY t . a ORDER BY t . a DESC LIMIT 5"
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let text = render(&mut choices, backend, &tokens);
        prop_assert_eq!(classify(backend, &text).intent(), Intent::Read, "{:?}: {}", backend, text);
    }
}

/// Names that a careless reader takes for keywords.
const COLUMNS: [&str; 8] = [
    "id",
    "update",
    "for update",
    "delete",
    "insert into",
    "nextval",
    "lock",
    "created_at",
];

fn column(choices: &mut Choices<'_>) -> Alias {
    Alias::new(COLUMNS[choices.below(COLUMNS.len())])
}

fn expression(choices: &mut Choices<'_>, depth: usize) -> Expr {
    let own = |choices: &mut Choices<'_>| Expr::col((Alias::new("t"), column(choices)));
    if depth == 0 {
        return own(choices);
    }
    match choices.below(12) {
        0 => own(choices).eq("it's; DROP TABLE t"),
        1 => own(choices).is_in([1, 2, 3]),
        2 => own(choices).like("%FOR UPDATE%"),
        3 => own(choices).is_null().or(expression(choices, depth - 1)),
        4 => Expr::exists(select(choices, depth - 1)),
        5 => own(choices).in_subquery(select(choices, depth - 1)),
        6 => Expr::from(Func::lower(own(choices))).eq("x"),
        7 => own(choices)
            .between(1, 10)
            .and(expression(choices, depth - 1)),
        8 => own(choices).add(1).gt(5),
        9 => Expr::Case(Box::new(
            CaseStatement::new().case(own(choices).eq(1), 2).finally(3),
        ))
        .is_not_null(),
        10 => own(choices).cast_as("char").ne("y"),
        _ => Expr::from(Func::coalesce([own(choices), Expr::val(1)])).is_not_null(),
    }
}

fn select(choices: &mut Choices<'_>, depth: usize) -> SelectStatement {
    let mut query = Query::select();
    match choices.below(5) {
        0 => query.expr(Expr::val(1)),
        1 => query.column(Asterisk),
        2 => query.expr(Func::count(Expr::col(Asterisk))),
        3 => query.expr_as(Func::max(Expr::col(column(choices))), Alias::new("A_max")),
        _ => query
            .column((Alias::new("t"), column(choices)))
            .column((Alias::new("t"), column(choices))),
    };
    if depth > 0 && choices.below(5) == 0 {
        query.from_subquery(select(choices, depth - 1), Alias::new("t"));
    } else if choices.below(4) == 0 {
        query.from((Alias::new("app"), Alias::new("t")));
    } else {
        query.from(Alias::new("t"));
    }
    if choices.below(3) == 0 {
        let on = Expr::col((Alias::new("t"), Alias::new("id")))
            .equals((Alias::new("u"), Alias::new("t_id")));
        query.left_join(Alias::new("u"), on);
    }
    if choices.below(2) == 0 {
        query.cond_where(
            Cond::any()
                .add(expression(choices, depth))
                .add(expression(choices, depth)),
        );
    }
    if choices.below(3) == 0 {
        query
            .group_by_col(column(choices))
            .and_having(expression(choices, 0).is_not_null());
    }
    if choices.below(3) == 0 {
        query.order_by(column(choices), Order::Desc);
    }
    if choices.below(3) == 0 {
        query.limit(10).offset(20);
    }
    if choices.below(5) == 0 {
        query.distinct();
    }
    if depth > 0 && choices.below(6) == 0 {
        let mut other = Query::select();
        other.expr(Expr::val(1)).from(Alias::new("t"));
        query.union(UnionType::All, other);
    }
    if depth > 0 && choices.below(6) == 0 {
        let mut common = CommonTableExpression::new();
        common.query(select(choices, 0)).table_name(Alias::new("t"));
        query.with_cte(Query::with().cte(common).to_owned());
    }
    query
}
