//! What lies on the disk, whatever it holds: directories, pages, handles.

pub mod aside;
pub mod db;
pub mod files;
pub mod handles;
pub mod numbers;
pub mod pages;
pub mod partition;
