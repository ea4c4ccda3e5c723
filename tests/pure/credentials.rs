//! Files of passwords as libpq reads them (rule T16).

use crate::credentials::{Wanted, password_in};

const WANTED: Wanted<'_> = Wanted {
    host: "db1",
    port: 5432,
    database: "app",
    user: "shop",
};

fn of(text: &str) -> Option<String> {
    password_in(text, &WANTED)
}

#[test]
fn the_first_line_that_fits_has_the_password() {
    for (text, password) in [
        ("db1:5432:app:shop:secret", Some("secret")),
        ("db1:5432:app:shop:secret\n", Some("secret")),
        ("db1:5432:app:shop:secret\r\nother", Some("secret")),
        ("*:*:*:*:any", Some("any")),
        ("db2:*:*:*:no\ndb1:*:*:*:one\n*:*:*:*:two", Some("one")),
        (
            "# db1:5432:app:shop:comment\ndb1:5432:app:shop:x",
            Some("x"),
        ),
        (
            r"db1:5432:app:shop:with\:colon\\and",
            Some(r"with:colon\and"),
        ),
        ("db1:5432:app:shop:a:b", Some("a:b")),
        ("db1:5432:app:shop:", Some("")),
        ("db1:5433:app:shop:no", None),
        (r"\*:5432:app:shop:no", None),
        ("db1:5432:app:shop", None),
        ("db1:5432\n::::\n:", None),
        ("", None),
    ] {
        assert_eq!(of(text).as_deref(), password, "{text:?}");
    }
    let colon = Wanted {
        user: "a:b",
        ..WANTED
    };
    assert_eq!(
        password_in(r"db1:5432:app:a\:b:x", &colon).as_deref(),
        Some("x")
    );
}
