mod columns;
mod differential;
mod laws;
mod model;
mod spelling;

pub(crate) use self::model::any_state;
