//! A TCP forwarder in front of a node that can be cut, delayed, black-holed and redirected, without root.
