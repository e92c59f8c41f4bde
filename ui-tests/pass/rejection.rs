//! Rejections as types.

include!("../common/app.rs");

/// No serde at all.
#[derive(Debug, Clone, PartialEq, plasma::Rejection)]
pub enum PosError {
    /// There are not
    /// so many left.
    ///
    /// A device may not know it.
    OutOfStock { todo: Id<Todo>, left: i64, r#type: Option<String> },
    #[rejection(code = "day-closed", message = "the day is closed")]
    Closed,
    #[rejection(message = "that is too long")]
    TooLong(usize),
    NESTED(Option<Place>),
    Empty {},
    Nothing(),
}

#[derive(Debug, Clone, PartialEq, plasma::__private::serde::Serialize, plasma::__private::serde::Deserialize)]
#[serde(crate = "plasma::__private::serde")]
pub struct Place {
    pub x: i64,
}

fn refused(error: PosError) -> plasma::Result<()> {
    Err(error)?
}

fn main() {
    let todo = Id::from_u128(7);
    for (rejection, code, message) in [
        (
            PosError::OutOfStock { todo, left: 2, r#type: Some("x".into()) },
            "out-of-stock",
            "There are not so many left.",
        ),
        (PosError::OutOfStock { todo, left: -1, r#type: None }, "out-of-stock", "There are not so many left."),
        (PosError::Closed, "day-closed", "the day is closed"),
        (PosError::TooLong(12), "too-long", "that is too long"),
        (PosError::NESTED(None), "nested", "nested"),
        (PosError::NESTED(Some(Place { x: 1 })), "nested", "nested"),
        (PosError::Empty {}, "empty", "empty"),
        (PosError::Nothing(), "nothing", "nothing"),
    ] {
        let error = refused(rejection.clone()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (plasma::ErrorKind::Rejected, code));
        assert_eq!((error.message(), error.parse()), (message, Some(rejection)));
    }
    let error = plasma::Error::from(PosError::TooLong(12));
    assert_eq!(error.data().map(ToString::to_string), Some("12".to_owned()));
    // Another code, another kind.
    assert_eq!(plasma::Error::rejected("sold", "").parse::<PosError>(), None);
    assert_eq!(plasma::Error::conflict("x").parse::<PosError>(), None);
}
