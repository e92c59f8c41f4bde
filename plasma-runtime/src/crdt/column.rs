//! CRDTs as columns: a state is read and written as a whole, and changed by operations.

use super::or_set::SetElement;
use super::register::Register;
use super::state::State;
use super::{CrdtKind, GCounter, Lww, OrSet, PnCounter, element};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnType, Scalar};
use crate::value::{Kind, Value};

/// The default of a CRDT column that begins empty: there is no other.
#[derive(Debug, Clone, Copy)]
pub enum BeginsEmpty {}

/// The kind of the values in a register or set, as something that a const can point to.
struct Of<T>(std::marker::PhantomData<T>);
impl<T: Scalar> Of<T> {
    const KIND: &'static Kind = &T::KIND;
}

fn state<S>(kind: CrdtKind, value: &Value, read: impl FnOnce(&str) -> Option<S>) -> Result<S> {
    let state = match value {
        Value::Json(json) => read(json),
        _ => None,
    };
    state.ok_or_else(|| {
        Error::new(ErrorKind::Storage, format!("expected the state of {kind} in the column, found {value:?}"))
    })
}

macro_rules! counter_column {
    ($counter:ident) => {
        #[diagnostic::do_not_recommend]
        impl ColumnType for $counter {
            const KIND: Kind = Kind::Crdt(CrdtKind::$counter);
            const EMPTY: Option<fn() -> Value> = Some(|| Value::Json($counter::default().to_json()));
            type NonNull = Self;
            type Literal = BeginsEmpty;
            fn literal(literal: BeginsEmpty) -> Value {
                match literal {}
            }
            fn into_value(self) -> Result<Value> {
                Ok(Value::Json(self.to_json()))
            }
            fn from_value(value: Value) -> Result<Self> {
                state(CrdtKind::$counter, &value, |json| {
                    $counter::from_canonical(json).or_else(|| serde_json::from_str(json).ok())
                })
            }
        }
    };
}
counter_column!(GCounter);
counter_column!(PnCounter);

/// Column types that a register can hold: every [`Scalar`], under a name of its own for what the compiler says.
#[diagnostic::on_unimplemented(
    message = "an `Lww` cannot hold `{Self}`",
    label = "expected a plain column type",
    note = "an `Lww` always has a value, so it holds no `Option`: write a type of your own with a value for none; and it holds no other CRDT, which merges by itself"
)]
#[doc(hidden)]
pub trait RegisterValue: Scalar {}
#[diagnostic::do_not_recommend]
impl<T: Scalar> RegisterValue for T {}

impl<T: RegisterValue> ColumnType for Lww<T> {
    const KIND: Kind = Kind::Crdt(CrdtKind::Lww(Of::<T>::KIND));
    type NonNull = Self;
    type Literal = T::Literal;
    fn literal(literal: Self::Literal) -> Value {
        let text = element::to_text(T::KIND, &T::literal(literal));
        Value::Json(Register::new(text.into()).to_json())
    }
    fn into_value(self) -> Result<Value> {
        let register = self.try_map(|value| Ok(Box::from(element::to_text(T::KIND, &value.into_value()?))))?;
        Ok(Value::Json(register.to_json()))
    }
    fn from_value(value: Value) -> Result<Self> {
        let kind = CrdtKind::Lww(Of::<T>::KIND);
        let register = state(kind, &value, |json| Register::from_json(T::KIND, json).ok())?;
        register.try_map(|text| T::from_value(element::to_value(T::KIND, &text)?))
    }
}

impl<T: SetElement> ColumnType for OrSet<T> {
    const KIND: Kind = Kind::Crdt(CrdtKind::OrSet(Of::<T>::KIND));
    const EMPTY: Option<fn() -> Value> = Some(|| Value::Json(State::default().to_json()));
    type NonNull = Self;
    type Literal = BeginsEmpty;
    fn literal(literal: BeginsEmpty) -> Value {
        match literal {}
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Json(self.state.to_json()))
    }
    fn from_value(value: Value) -> Result<Self> {
        let kind = CrdtKind::OrSet(Of::<T>::KIND);
        let set = OrSet::from_state(state(kind, &value, |json| State::of_kind(T::KIND, json).ok())?);
        // An element of a newer client that this one cannot read is an error here, and not later.
        set.try_values()?;
        Ok(set)
    }
}
