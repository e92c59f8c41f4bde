//! Random states of CRDTs, and what is asked of them.

use super::Choices;
use super::scope::Scope;
use crate::crdt::{Crdt as _, CrdtKind, GCounter, PnCounter, Register, Replica, State, Tag, element};
use crate::query::ir::{Expr, Function};
use crate::schema::ColumnType as _;
use crate::value::{Kind, Value};

/// Which kinds a value can come from.
const ELEMENTS: [Kind; 2] = [Kind::Text, Kind::Int];

impl Choices<'_> {
    /// The JSON of a state.
    pub(super) fn state(&mut self, kind: CrdtKind) -> String {
        match kind {
            CrdtKind::GCounter => json(self.counter().into_value()),
            CrdtKind::PnCounter => {
                let mut counter = PnCounter::default();
                for _ in 0..self.below(3) {
                    let (replica, by) = (self.replica(), self.pick(&[1, 2, 7, u32::MAX]));
                    let counted =
                        if self.once_in(2) { counter.decrement(replica, by) } else { counter.increment(replica, by) };
                    counted.expect("a few times");
                }
                json(counter.into_value())
            }
            CrdtKind::Lww(of) => {
                let value = self.some(*of);
                Register::at(element::to_text(*of, &value).into(), self.below(3) as u64, self.replica()).to_json()
            }
            #[cfg(feature = "text")]
            CrdtKind::Text => {
                let mut text = crate::crdt::Text::default();
                text.push_str(self.replica(), &self.text()).expect("short");
                serde_json::to_string(&text).expect("a text")
            }
            CrdtKind::OrSet(of) => {
                let mut state = State::default();
                for seq in 0..self.below(5) as u64 {
                    let text = self.element(*of);
                    state.add(&text, Tag { replica: self.replica(), seq });
                    if self.once_in(4) {
                        state.remove(&text, |_| true);
                    }
                }
                state.to_json()
            }
        }
    }

    fn counter(&mut self) -> GCounter {
        let mut counter = GCounter::default();
        for _ in 0..self.below(3) {
            let mut more = GCounter::default();
            more.increment(self.replica(), self.pick(&[1, 2, 7, u32::MAX])).expect("a few times");
            counter.merge(&more);
        }
        counter
    }

    /// A value that is not NULL.
    fn some(&mut self, kind: Kind) -> Value {
        loop {
            // Once the numbers are used up, none is.
            let value = self.value(kind);
            if !value.is_null() {
                return value;
            }
        }
    }

    fn replica(&mut self) -> Replica {
        Replica::from_bytes([0, 0, 0, 0, 0, 0, 0, self.below(3) as u8])
    }

    /// An element as it stands in a set.
    fn element(&mut self, kind: Kind) -> String {
        let value = self.some(kind);
        element::to_text(kind, &value)
    }

    /// Whether a set has an element.
    pub(super) fn has(&mut self, scope: &mut Scope, depth: usize) -> Expr {
        let of = self.below(ELEMENTS.len());
        // A const: what a kind points to lives on.
        let kind = [Kind::Crdt(CrdtKind::OrSet(&Kind::Text)), Kind::Crdt(CrdtKind::OrSet(&Kind::Int))][of];
        let element = self.element(ELEMENTS[of]);
        Expr::Has { set: Box::new(self.expr(scope, kind, depth)), element }
    }

    /// The value of a state.
    pub(super) fn value_in(&mut self, scope: &mut Scope, kind: Kind, depth: usize) -> Expr {
        let counters = [
            CrdtKind::GCounter,
            CrdtKind::PnCounter,
            CrdtKind::OrSet(&Kind::Text),
            CrdtKind::OrSet(&Kind::Int),
            CrdtKind::Lww(&Kind::BigInt),
        ];
        let of = match kind {
            Kind::BigInt => self.pick(&counters),
            #[cfg(feature = "text")]
            Kind::Text if self.once_in(2) => CrdtKind::Text,
            kind => CrdtKind::all()
                .find(|crdt| matches!(crdt, CrdtKind::Lww(of) if **of == kind))
                .expect("registers hold every kind"),
        };
        Expr::Function { function: Function::ValueOf(of), args: vec![self.expr(scope, Kind::Crdt(of), depth)] }
    }
}

fn json(value: crate::Result<Value>) -> String {
    match value {
        Ok(Value::Json(json)) => json,
        other => panic!("{other:?}"),
    }
}
