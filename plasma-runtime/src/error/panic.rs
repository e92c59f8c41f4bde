//! What a caught panic says.

use std::any::Any;

/// The message of a panic; none when its payload is no text (`std::panic::panic_any`).
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_text_are_read_and_nothing_else() {
        assert_eq!(panic_message(&"as it stands"), Some("as it stands"));
        assert_eq!(panic_message(&format!("{} formatted", 1)), Some("1 formatted"));
        assert_eq!(panic_message(&7_i32), None);
    }
}
