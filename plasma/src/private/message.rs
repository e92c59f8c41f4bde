//! Messages put together in const.

/// A message.
pub(super) struct Message {
    bytes: [u8; 4096],
    length: usize,
}

impl Message {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Message { bytes: [0; 4096], length: 0 }
    }

    /// These parts.
    pub(super) const fn of(parts: &[&str]) -> Self {
        let mut message = Message::new();
        message.push(parts);
        message
    }

    /// Adds these parts. What does not fit is left out.
    pub(super) const fn push(&mut self, parts: &[&str]) {
        let mut part = 0;
        while part < parts.len() {
            let text = parts[part].as_bytes();
            // Whole parts only, so that no character is cut.
            if self.length + text.len() <= self.bytes.len() {
                let mut i = 0;
                while i < text.len() {
                    self.bytes[self.length] = text[i];
                    self.length += 1;
                    i += 1;
                }
            }
            part += 1;
        }
    }

    /// The bytes that can still be added.
    pub(super) const fn room(&self) -> usize {
        self.bytes.len() - self.length
    }

    /// The message.
    pub(super) const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => panic!("the message is made of whole strings"),
        }
    }
}

/// A number in decimal digits, with zeros in front.
pub(super) const fn decimal(mut number: usize) -> [u8; 20] {
    let mut digits = [b'0'; 20];
    let mut at = 20;
    while number > 0 {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}
