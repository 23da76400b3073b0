//! From tree to text.
