//! Sums and means that do not depend on the order.

use super::overflow;
use crate::error::{Error, Result};
use crate::value::Value;

/// A sum that is exact until it is asked for: the result is the number nearest to the true one, in whatever order the
/// values came. NULLs are left out.
///
/// ```
/// use plasma_runtime::query::numeric::Sum;
/// use plasma_runtime::value::Value;
/// let mut sum = Sum::default();
/// for x in [1e300, 1.0, -1e300] {
///     sum.add(&Value::Float(x))?;
/// }
/// assert_eq!(sum.sum()?, Value::Float(1.0));
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Sum {
    count: u64,
    /// Fewer than 2^64 values of 64 bits.
    integers: i128,
    floats: Option<Box<Exact>>,
}

impl Sum {
    /// Adds a value.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when it is neither a finite number nor NULL.
    pub fn add(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Null => return Ok(()),
            Value::Int(n) => self.integers += i128::from(*n),
            Value::Float(x) if x.is_finite() => self.floats.get_or_insert_default().add(*x),
            other => return Err(Error::internal(format!("{other:?} cannot be added"))),
        }
        self.count += 1;
        Ok(())
    }

    /// Takes a value away that was added before: exact, so the sum is what it would be without it.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn subtract(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Null => return Ok(()),
            Value::Int(n) => self.integers -= i128::from(*n),
            Value::Float(x) if x.is_finite() => self.floats.get_or_insert_default().add(-*x),
            other => return Err(Error::internal(format!("{other:?} cannot be subtracted"))),
        }
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            // Of no value it is neither an integer nor a float.
            *self = Sum::default();
        }
        Ok(())
    }

    /// The sum: an integer of integers, else a float; NULL of no value.
    ///
    /// # Errors
    /// [`Overflow`](crate::ErrorKind::Overflow) when it is more than an `i64` or a finite float.
    pub fn sum(&self) -> Result<Value> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        if self.floats.is_none() {
            let sum = i64::try_from(self.integers);
            return sum.map(Value::Int).map_err(|_| {
                overflow(format!("the sum of {} values, {}, is outside the 64-bit integers", self.count, self.integers))
            });
        }
        self.divided_by(1)
    }

    /// The mean, a float; NULL of no value. It is finite, as the values are.
    ///
    /// # Errors
    /// None that can come; [`Overflow`](crate::ErrorKind::Overflow) is what they would be.
    pub fn mean(&self) -> Result<Value> {
        if self.count == 0 { Ok(Value::Null) } else { self.divided_by(self.count) }
    }

    fn divided_by(&self, divisor: u64) -> Result<Value> {
        let mut exact = self.floats.as_deref().cloned().unwrap_or_default();
        exact.add_integer(self.integers);
        let result = exact.divided_by(divisor).map(Value::Float);
        result.ok_or_else(|| overflow(format!("the sum of {} values is outside the finite floats", self.count)))
    }
}

/// Digits of 32 bits. The lowest stands for 2^-1088, a little below the smallest float; the highest leaves room for 2^63
/// times the greatest.
const DIGITS: usize = 68;
/// The digit that counts ones.
const ONES: usize = 34;
/// Bits below the smallest float: 1088 - 1074.
const GUARD: usize = 14;

/// A fixed-point number wide enough for every sum of floats. Each digit is kept in 64 bits with a sign, so that a carry
/// is due only once in 2^30 additions.
#[derive(Debug, Clone)]
struct Exact {
    digits: [i64; DIGITS],
    pending: u32,
}

impl Default for Exact {
    fn default() -> Self {
        Exact { digits: [0; DIGITS], pending: 0 }
    }
}

impl Exact {
    fn add(&mut self, x: f64) {
        let bits = x.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = if exponent == 0 { (fraction, 1) } else { (fraction | 1 << 52, exponent) };
        // The value is mantissa * 2^(exponent - 1075).
        let position = exponent as usize - 1 + GUARD;
        self.add_at(position / 32, u128::from(mantissa) << (position % 32), x < 0.0);
    }

    fn add_integer(&mut self, n: i128) {
        self.add_at(ONES, n.unsigned_abs(), n < 0);
    }

    fn add_at(&mut self, from: usize, mut value: u128, negative: bool) {
        let mut at = from;
        while value != 0 {
            let digit = (value & 0xffff_ffff) as i64;
            self.digits[at] += if negative { -digit } else { digit };
            value >>= 32;
            at += 1;
        }
        self.pending += 1;
        if self.pending >= 1 << 30 {
            self.carry();
        }
    }

    /// Brings all digits but the highest, which has the sign, into 0..2^32.
    fn carry(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits[..DIGITS - 1] {
            let whole = *digit + carry;
            (*digit, carry) = (whole & 0xffff_ffff, whole >> 32);
        }
        self.digits[DIGITS - 1] += carry;
        self.pending = 0;
    }

    /// The float nearest to the number over `divisor`, the even one of two; none when it is not finite.
    fn divided_by(mut self, divisor: u64) -> Option<f64> {
        self.carry();
        let negative = self.digits[DIGITS - 1] < 0;
        if negative {
            self.digits.iter_mut().for_each(|digit| *digit = -*digit);
            self.carry();
        }
        let mut rest = 0u128;
        for digit in self.digits.iter_mut().rev() {
            let whole = rest << 32 | *digit as u128;
            // The rest is below the divisor, so the quotient is one digit.
            *digit = (whole / u128::from(divisor)) as i64;
            rest = whole % u128::from(divisor);
        }
        let Some(top) = self.digits.iter().rposition(|digit| *digit != 0) else { return Some(0.0) };
        let bits = top * 32 + 64 - self.digits[top].leading_zeros() as usize;
        // What does not fit into 53 bits, and what is below the smallest float, is rounded away.
        let dropped = bits.saturating_sub(53).max(GUARD);
        let mut mantissa = self.bits_from(dropped);
        let half = self.bits_from(dropped - 1) & 1 == 1;
        let more = rest != 0 || (0..dropped - 1).any(|bit| self.digits[bit / 32] >> (bit % 32) & 1 == 1);
        if half && (more || mantissa & 1 == 1) {
            mantissa += 1;
        }
        let exponent = dropped as i32 - 1088;
        let power = match exponent {
            ..-1022 => f64::from_bits(1 << (exponent + 1074)),
            -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
            _ => return None,
        };
        // At most 2^53 times a power of two: exact, or infinite.
        let magnitude = mantissa as f64 * power;
        magnitude.is_finite().then_some(if negative && magnitude != 0.0 { -magnitude } else { magnitude })
    }

    /// The bits from this one on, as far as they fit.
    fn bits_from(&self, bit: usize) -> u64 {
        let digit = |at: usize| self.digits.get(at).map_or(0, |digit| *digit as u128);
        let at = bit / 32;
        ((digit(at) | digit(at + 1) << 32 | digit(at + 2) << 64) >> (bit % 32)) as u64
    }
}
