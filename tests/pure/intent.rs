//! What a text is judged to be (I1 to I5).

mod corpus;
