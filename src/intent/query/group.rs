//! Where the walk through a query stands: one group for each open parenthesis, and the clause of each query.

/// What a query's next words may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clause {
    /// SELECT, VALUES, TABLE, WITH, a statement that writes, or a query in parentheses.
    Start,
    /// The name of a common table expression; behind the first one a comma may also go on with how it is searched.
    With { first: bool },
    /// The columns of a common table expression, or AS.
    Named,
    /// The query of a common table expression, in parentheses.
    Body,
    /// The next one, how it is searched, or the query that they are for.
    Bodied,
    /// Expressions that FROM may end.
    List,
    /// A relation, a call or a query in parentheses.
    Table,
    /// What may follow one: an alias, a join, the next clause.
    Joined { aliased: bool },
    /// A join's condition.
    On,
    /// Expressions until the query ends.
    Tail,
    /// What may follow a query in parentheses.
    Operand,
}

impl Clause {
    /// Whether a query may end here.
    pub(super) fn is_complete(self) -> bool {
        matches!(
            self,
            Self::List | Self::Joined { .. } | Self::On | Self::Tail | Self::Operand
        )
    }

    /// Whether expressions stand here.
    pub(super) fn is_expression(self) -> bool {
        matches!(self, Self::List | Self::On | Self::Tail)
    }
}

/// What stands within one pair of parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Query {
        clause: Clause,
        /// The query stands where a relation may: `(a JOIN b ON …)` too.
        of_tables: bool,
    },
    Expression(Role),
    Columns(Column),
}

/// What FROM and AS mean within an expression's parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// AS names a type: `CAST(a AS int)`.
    Plain,
    /// FROM is a word of the call: `extract(year FROM a)`.
    From,
    /// AS gives a name: `xmlforest(a AS b)`.
    Labels,
    /// Between brackets: `a[1]`, `ARRAY[1, 2]`.
    Brackets,
}

/// What is next in a list of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    /// A type, unless the column has none.
    Type,
    Rest,
}

/// One pair of parentheses, or the whole text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parentheses {
    pub(super) content: Content,
    /// The place of the parenthesis that opens the group.
    pub(super) open: usize,
    /// How many names common table expressions had defined when it began.
    pub(super) defined: usize,
    /// A common table expression of the query sees its own name, and those behind it.
    pub(super) recursive: bool,
    /// Where the name stands that holds once its query has ended.
    pub(super) named: Option<usize>,
}
