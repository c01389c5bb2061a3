//! Values that have been parsed: what holds one of these need not check it again.
//!
//! Nothing here does I/O or reads a clock.

mod email;
mod page;
mod slug;
mod text;
mod timestamp;
mod username;

pub use email::Email;
pub use page::{Page, PageSize};
pub use slug::Slug;
pub use text::{Complaint, MAX_COMMENT, MAX_PASSAGE, MAX_TAG, MAX_TITLE, line, prose, short_enough};
pub use timestamp::Timestamp;
pub use username::Username;
