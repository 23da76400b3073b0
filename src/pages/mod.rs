//! The pages: pure functions from a view struct to markup.
//!
//! Every page is whole on the server: no page needs JavaScript to be read, and none asks
//! another host for anything. A page never queries; what it shows was handed to it, so
//! each renders in a unit test. It knows no HTTP and no store.

pub mod admin;
pub mod cv;
pub mod error;
pub mod layout;
pub mod markdown;
pub mod sitemap;

pub use cv::favicon;
