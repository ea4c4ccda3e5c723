//! The error of a statement whose session brought a bookmark that could not be judged.

use super::{Error, causes::BookmarkProblem};

impl From<BookmarkProblem> for Error {
    fn from(problem: BookmarkProblem) -> Self {
        match problem {
            BookmarkProblem::OtherCluster => Self::OtherCluster,
            BookmarkProblem::EpochNotSeen { timeline, waited } => {
                Self::EpochNotSeen { timeline, waited }
            }
            BookmarkProblem::NotCaughtUp {
                node,
                waited,
                limit,
            } => Self::NotCaughtUp {
                nodes: vec![node],
                waited,
                limit,
                sent: false,
            },
            BookmarkProblem::NoPrimary {
                nodes,
                waited,
                limit,
            } => Self::NoPrimary {
                nodes,
                detail: "".into(),
                waited,
                limit,
                sent: false,
                source: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BookmarkProblem, Error};
    use crate::error::causes::SeenNodes;

    #[test]
    fn a_problem_reads_the_same_by_itself_and_as_an_error() {
        let waited = Duration::from_millis(5);
        for problem in [
            BookmarkProblem::OtherCluster,
            BookmarkProblem::EpochNotSeen {
                timeline: 3,
                waited,
            },
            BookmarkProblem::NotCaughtUp {
                node: "db1".to_owned(),
                waited,
                limit: None,
            },
            BookmarkProblem::NoPrimary {
                nodes: SeenNodes::default(),
                waited,
                limit: Some("SEALANE_STALE_WAIT=5ms".into()),
            },
        ] {
            let text = problem.to_string();
            assert_eq!(Error::from(problem).to_string(), text);
        }
    }
}
