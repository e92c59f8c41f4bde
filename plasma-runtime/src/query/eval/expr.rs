//! Expressions over a row and the rows around it.

use std::borrow::Cow;

use super::Evaluator;
use super::frame::Frame;
use super::subquery::Members;
use crate::crdt;
use crate::error::{Error, ErrorKind, Result};
use crate::query::ir::{CompareOp, Expr, Function};
use crate::query::{like, numeric};
use crate::value::Value;
use crate::value::compare::{is_same, sql_compare};

/// Up to this length a list is searched from its beginning.
const SHORT_LIST: usize = 16;

impl<'q> Evaluator<'q, '_> {
    /// The value of an expression. A condition's is a boolean or, when unknown, NULL.
    pub(super) fn value<'v>(&mut self, expr: &'q Expr, frame: Option<&'v Frame<'v>>) -> Result<Cow<'v, Value>>
    where
        'q: 'v,
    {
        match expr {
            Expr::Column(reference) => Frame::column(frame, reference).map(Cow::Borrowed),
            Expr::Literal(value) => Ok(Cow::Borrowed(value)),
            Expr::Scalar(query) => self.scalar(query, frame).map(Cow::Owned),
            Expr::Arithmetic { op, kind, left, right } => {
                let (left, right) = (self.value(left, frame)?, self.value(right, frame)?);
                numeric::arithmetic(*op, *kind, &left, &right).map(Cow::Owned)
            }
            Expr::Function { function, args } => self.function(*function, args, frame),
            Expr::Case { when, otherwise } => {
                for (condition, value) in when {
                    if self.truth(condition, frame)? == Some(true) {
                        return self.value(value, frame);
                    }
                }
                self.value(otherwise, frame)
            }
            Expr::Aggregate { function, expr } => self.aggregate(*function, expr.as_deref(), frame).map(Cow::Owned),
            condition => Ok(Cow::Owned(self.truth(condition, frame)?.map_or(Value::Null, Value::Bool))),
        }
    }

    /// The truth of a condition; `None` is unknown.
    pub(super) fn truth(&mut self, expr: &'q Expr, frame: Option<&Frame<'_>>) -> Result<Option<bool>> {
        match expr {
            Expr::Column(_)
            | Expr::Literal(_)
            | Expr::Scalar(_)
            | Expr::Arithmetic { .. }
            | Expr::Function { .. }
            | Expr::Case { .. }
            | Expr::Aggregate { .. } => truth_of(&*self.value(expr, frame)?),
            Expr::Compare { op, left, right } => {
                let (left, right) = (self.value(left, frame)?, self.value(right, frame)?);
                Ok(compared(*op, &left, &right))
            }
            Expr::And(all) => self.decided(all, false, frame),
            Expr::Or(any) => self.decided(any, true, frame),
            Expr::Not(expr) => Ok(self.truth(expr, frame)?.map(|truth| !truth)),
            Expr::IsNull(expr) => Ok(Some(self.value(expr, frame)?.is_null())),
            Expr::In { expr, list } => {
                let value = self.value(expr, frame)?;
                if list.len() > SHORT_LIST {
                    return Ok(self.sorted_list(list).contain(&value));
                }
                Ok(in_list(&value, list))
            }
            Expr::Like { expr, pattern } => is_like(&*self.value(expr, frame)?, pattern),
            Expr::Has { set, element } => has(&*self.value(set, frame)?, element),
            Expr::Exists(query) => self.exists(query, frame).map(Some),
            Expr::InQuery { expr, query } => {
                let value = self.value(expr, frame)?.into_owned();
                self.is_member(&value, query, frame)
            }
        }
    }

    fn function<'v>(
        &mut self,
        function: Function,
        args: &'q [Expr],
        frame: Option<&'v Frame<'v>>,
    ) -> Result<Cow<'v, Value>>
    where
        'q: 'v,
    {
        if function == Function::Coalesce {
            for arg in args {
                let value = self.value(arg, frame)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            return Ok(Cow::Owned(Value::Null));
        }
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.value(arg, frame)?);
        }
        calculated(function, &values).map(Cow::Owned)
    }

    /// A long list, sorted once for the whole evaluation.
    fn sorted_list(&mut self, list: &'q Vec<Value>) -> &Members {
        let known = self.lists.iter().position(|(seen, _)| std::ptr::eq(*seen, list));
        let index = known.unwrap_or_else(|| {
            self.lists.push((list, Members::new(list.clone())));
            self.lists.len() - 1
        });
        &self.lists[index].1
    }

    /// `AND` and `OR`: the first part with the truth that decides (false, true) decides; else unknown if any part is.
    fn decided(&mut self, parts: &'q [Expr], decides: bool, frame: Option<&Frame<'_>>) -> Result<Option<bool>> {
        let mut answer = Some(!decides);
        for part in parts {
            match self.truth(part, frame)? {
                Some(truth) if truth == decides => return Ok(Some(decides)),
                Some(_) => {}
                None => answer = None,
            }
        }
        Ok(answer)
    }
}

/// Two values compared: unknown when one is NULL, but for [`CompareOp::Is`].
pub(crate) fn compared(op: CompareOp, left: &Value, right: &Value) -> Option<bool> {
    if op == CompareOp::Is {
        return Some(is_same(left, right));
    }
    sql_compare(left, right).map(|ordering| match op {
        CompareOp::Eq | CompareOp::Is => ordering.is_eq(),
        CompareOp::Ne => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::Lte => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::Gte => ordering.is_ge(),
    })
}

/// `LIKE`.
pub(crate) fn is_like(value: &Value, pattern: &str) -> Result<Option<bool>> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) | Value::Json(text) => {
            if like::is_too_long(pattern) {
                return Err(Error::new(ErrorKind::TooLarge, "the `like` pattern is longer than 50,000 bytes"));
            }
            Ok(Some(like::matches(text, pattern)))
        }
        other => Err(Error::internal(format!("`like` matches text, not {other:?}"))),
    }
}

/// Whether the state of a set has an element.
pub(crate) fn has(set: &Value, element: &str) -> Result<Option<bool>> {
    match set {
        Value::Null => Ok(None),
        Value::Json(state) => Ok(Some(state.contains(&crdt::mark(element)))),
        other => Err(Error::internal(format!("a set was expected, not {other:?}"))),
    }
}

/// A function of values, but for [`Function::Coalesce`], which does not ask for all of them.
pub(crate) fn calculated(function: Function, values: &[Cow<'_, Value>]) -> Result<Value> {
    if values.iter().any(|value| value.is_null()) {
        return Ok(Value::Null);
    }
    match (function, values) {
        (Function::Lower, [text]) => Ok(Value::Text(text_of(text)?.to_ascii_lowercase())),
        (Function::Upper, [text]) => Ok(Value::Text(text_of(text)?.to_ascii_uppercase())),
        (Function::Length, [text]) => Ok(Value::Int(text_of(text)?.chars().count() as i64)),
        (Function::Trim, [text]) => Ok(Value::Text(text_of(text)?.trim_matches(' ').to_owned())),
        (Function::Concat, texts) => {
            let texts: Vec<&str> = texts.iter().map(|text| text_of(text)).collect::<Result<_>>()?;
            Ok(Value::Text(texts.concat()))
        }
        (Function::Date, [time, offset]) => numeric::date_of(time, offset),
        (Function::Negate, [number]) => numeric::negate(number),
        (Function::ValueOf(kind), [state]) => match &**state {
            Value::Json(json) => crdt::value_of(kind, json),
            other => Err(Error::internal(format!("the state of {kind} was expected, not {other:?}"))),
        },
        _ => Err(Error::internal(format!("`{function:?}` of {} arguments", values.len()))),
    }
}

/// A value as a condition: zero is false, as in SQLite.
pub(crate) fn truth_of(value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(*b)),
        Value::Int(n) => Ok(Some(*n != 0)),
        Value::Float(x) => Ok(Some(*x != 0.0)),
        other => Err(Error::internal(format!("{other:?} is not a condition"))),
    }
}

fn text_of(value: &Value) -> Result<&str> {
    match value {
        Value::Text(text) | Value::Json(text) => Ok(text),
        other => Err(Error::internal(format!("{other:?} is not text"))),
    }
}

fn in_list(value: &Value, list: &[Value]) -> Option<bool> {
    if list.is_empty() {
        return Some(false);
    }
    if value.is_null() {
        return None;
    }
    if list.iter().any(|member| is_same(member, value)) {
        return Some(true);
    }
    if list.iter().any(Value::is_null) { None } else { Some(false) }
}
