//! Exact decimals.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// An exact decimal with `N` digits after the point: `Fixed<2>` for cents, `Fixed<4>` for rates; `N` is at most 18.
///
/// It is a 64-bit number of units of 10^-N (the *minor* units), and that number is what the database holds, so that both
/// sides compare and add without rounding. In JSON of your own (arguments, [`Json`](crate::Json) columns) it is text with
/// all its digits, `"12.30"`.
///
/// Nothing overflows and nothing is rounded silently: there are no operators, all arithmetic is `checked_*`, and what
/// cannot be exact takes a [`Rounding`].
///
/// ```
/// use plasma_runtime::{Fixed, Rounding};
///
/// let price: Fixed<2> = "19.99".parse()?;
/// let total = price.checked_mul(3).unwrap();
/// assert_eq!((total.minor(), total.to_string().as_str()), (5997, "59.97"));
///
/// let tax: Fixed<4> = "0.0825".parse()?;
/// assert_eq!(total.checked_mul_rounded(tax, Rounding::HalfEven).unwrap().to_string(), "4.95");
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fixed<const N: u8>(i64);

/// What happens to digits that have no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To the nearest; a tie to the even digit (bankers' rounding).
    HalfEven,
    /// To the nearest; a tie away from zero, as taught in school.
    HalfAwayFromZero,
    /// The digits are cut off.
    TowardZero,
    /// To the smaller number.
    Floor,
    /// To the greater number.
    Ceiling,
}

impl Rounding {
    /// `numerator / denominator`, rounded; none when `denominator` is 0.
    fn divide(self, numerator: i128, denominator: i128) -> Option<i128> {
        let (quotient, rest) = (numerator.checked_div(denominator)?, numerator.checked_rem(denominator)?);
        if rest == 0 {
            return Some(quotient);
        }
        // The exact quotient lies between `quotient` and the next number away from zero.
        let negative = (numerator < 0) != (denominator < 0);
        let away = quotient + if negative { -1 } else { 1 };
        // Twice the rest against the denominator, without doubling it.
        let half = rest.unsigned_abs().cmp(&(denominator.unsigned_abs() - rest.unsigned_abs()));
        let goes_away = match self {
            Rounding::TowardZero => false,
            Rounding::Floor => negative,
            Rounding::Ceiling => !negative,
            Rounding::HalfAwayFromZero => half.is_ge(),
            Rounding::HalfEven => half.is_gt() || (half.is_eq() && quotient % 2 != 0),
        };
        Some(if goes_away { away } else { quotient })
    }
}

fn narrow<const N: u8>(minor: i128) -> Option<Fixed<N>> {
    i64::try_from(minor).ok().map(Fixed::from_minor)
}

impl<const N: u8> Fixed<N> {
    /// Zero.
    pub const ZERO: Self = Self::from_minor(0);
    /// The least value.
    pub const MIN: Self = Self::from_minor(i64::MIN);
    /// The greatest value.
    pub const MAX: Self = Self::from_minor(i64::MAX);
    /// Digits after the point: `N`. Reading it refuses, at compile time, an `N` above 18.
    pub const SCALE: u8 = {
        assert!(N <= 18, "`Fixed<N>` has at most 18 digits after the point");
        N
    };

    /// The number of minor units in one.
    const ONE: i64 = 10i64.pow(Self::SCALE as u32);

    /// So many units of 10^-N: `Fixed::<2>::from_minor(1234)` is 12.34.
    pub const fn from_minor(minor: i64) -> Self {
        const { assert!(N <= 18, "`Fixed<N>` has at most 18 digits after the point") };
        Fixed(minor)
    }

    /// The number of units of 10^-N.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// A whole number; none when it is out of range.
    pub fn checked_from_int(whole: i64) -> Option<Self> {
        whole.checked_mul(Self::ONE).map(Self::from_minor)
    }

    /// The sum; none when it is out of range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self::from_minor)
    }

    /// The difference; none when it is out of range.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self::from_minor)
    }

    /// The negative; none for [`MIN`](Self::MIN).
    pub fn checked_neg(self) -> Option<Self> {
        self.0.checked_neg().map(Self::from_minor)
    }

    /// The product with a whole number, which is exact; none when it is out of range.
    pub fn checked_mul(self, times: i64) -> Option<Self> {
        self.0.checked_mul(times).map(Self::from_minor)
    }

    /// The product with another decimal, at the scale of `self`; none when it is out of range.
    pub fn checked_mul_rounded<const M: u8>(self, other: Fixed<M>, rounding: Rounding) -> Option<Self> {
        // The product of two i64 fits an i128.
        let product = i128::from(self.0) * i128::from(other.0);
        narrow(rounding.divide(product, Fixed::<M>::ONE.into())?)
    }

    /// The quotient by a whole number; none when that is 0, or the quotient is out of range.
    pub fn checked_div_rounded(self, by: i64, rounding: Rounding) -> Option<Self> {
        narrow(rounding.divide(self.0.into(), by.into())?)
    }

    /// The same number with another scale; none when it is out of range.
    pub fn checked_rescale<const M: u8>(self, rounding: Rounding) -> Option<Fixed<M>> {
        // At most 10^18 times an i64: it fits.
        let scaled = i128::from(self.0) * i128::from(Fixed::<M>::ONE);
        narrow(rounding.divide(scaled, Self::ONE.into())?)
    }
}

impl<const N: u8> fmt::Display for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minor, one) = (self.0.unsigned_abs(), Self::ONE.unsigned_abs());
        let digits = match Self::SCALE {
            0 => minor.to_string(),
            scale => format!("{}.{:0width$}", minor / one, minor % one, width = usize::from(scale)),
        };
        f.pad_integral(self.0 >= 0, "", &digits)
    }
}

impl<const N: u8> fmt::Debug for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fixed({self})")
    }
}

impl<const N: u8> FromStr for Fixed<N> {
    type Err = Error;

    /// Reads digits with an optional minus before and an optional point with up to `N` digits behind. More digits are an
    /// error, even zeros: a number is never rounded while it is read.
    fn from_str(text: &str) -> Result<Self> {
        let scale = usize::from(Self::SCALE);
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let places = if unsigned.contains('.') { fraction.len() } else { 0 };
        let error =
            || Error::validation(format!("expected a decimal number with up to {scale} digits after the point"));
        let plain = !whole.is_empty() && !fraction.is_empty() && places <= scale;
        if !plain || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let digits =
            whole.bytes().chain(fraction.bytes().take(places)).chain(std::iter::repeat_n(b'0', scale - places));
        let minor =
            digits.map(|b| i128::from(b - b'0')).try_fold(0i128, |n, digit| n.checked_mul(10)?.checked_add(digit));
        let minor = minor.map(|minor| if unsigned.len() < text.len() { -minor } else { minor });
        minor.and_then(narrow).ok_or_else(|| {
            Error::validation(format!("the number is out of range: it lies between {} and {}", Self::MIN, Self::MAX))
        })
    }
}

impl<const N: u8> serde::Serialize for Fixed<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: u8> serde::Deserialize<'de> for Fixed<N> {
    /// From text only: a JSON number has passed through a float already.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
