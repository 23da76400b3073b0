//! Other programs' formats, read into `record` types.
