//! How `#[plasma::args]` reads and writes a struct, when its fields can be read and written at all.
//!
//! serde's derives report a field without serde once for every place in which they use it. So the derived impls are
//! made conditional on the fields, [`field`] asks for each of them once, by name, and the impl of `MutatorArgs` goes
//! through [`Probe`], which compiles either way: of the two traits, method resolution takes the first that applies.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a field of arguments can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of mutator arguments",
    label = "cannot be read from JSON and written as JSON",
    note = "derive both for it: `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait Field {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Field for T {}

/// Asserts that `T` can be a field of arguments.
pub fn field<T: Field>() {}

/// Arguments of type `T`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// Nothing but the type.
    pub const fn new() -> Self {
        Probe(PhantomData)
    }
}

impl<T> Default for Probe<T> {
    fn default() -> Self {
        Probe::new()
    }
}

/// Taken when the arguments can be read and written.
pub trait Border<T> {
    /// From JSON text.
    ///
    /// # Errors
    /// Those of serde.
    fn read(&self, json: &str) -> serde_json::Result<T>;
    /// To JSON text.
    ///
    /// # Errors
    /// Those of serde.
    fn write(&self, args: &T) -> serde_json::Result<String>;
}

impl<T: Serialize + DeserializeOwned> Border<T> for Probe<T> {
    fn read(&self, json: &str) -> serde_json::Result<T> {
        serde_json::from_str(json)
    }
    fn write(&self, args: &T) -> serde_json::Result<String> {
        serde_json::to_string(args)
    }
}

/// Taken when they cannot: in a program that does not compile.
impl<T> Border<T> for &Probe<T> {
    fn read(&self, _: &str) -> serde_json::Result<T> {
        unreachable!("a field cannot be read")
    }
    fn write(&self, _: &T) -> serde_json::Result<String> {
        unreachable!("a field cannot be written")
    }
}
