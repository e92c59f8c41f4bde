//! The mutators, in sets by subject. Each runs on the client when it is called, again over newer rows, and on the server,
//! where it counts.

pub mod billing;
pub mod jobs;
pub mod office;
pub mod shelves;
pub mod talk;

pub use self::billing::{Billing, CancelStale, IssueInvoice};
pub use self::jobs::{AcceptJob, AddLines, Assign, EditJob, Jobs, MoveJob, NewItem, RemoveLine, SetStatus, TidyUp};
pub use self::office::{CorrectCustomer, Hire, Office, OpenBranch, RegisterCustomer, Resign};
pub use self::shelves::{AddPart, CountShelf, Discontinue, Receive, Refused, Shelves, Take};
pub use self::talk::{AttachPhoto, Board, PinNotice, React, Retract, Say, Talk};
