use proptest::prelude::*;

use super::*;

/// The quotient by the definition of each rule, from the exact comparison with both neighbours.
fn rounded(numerator: i128, denominator: i128, rounding: Rounding) -> i128 {
    // With a positive denominator `floor` is Euclid's quotient.
    let (n, d) = if denominator < 0 { (-numerator, -denominator) } else { (numerator, denominator) };
    let floor = n.div_euclid(d);
    let rest = n.rem_euclid(d);
    if rest == 0 {
        return floor;
    }
    let nearest = match (2 * rest).cmp(&d) {
        std::cmp::Ordering::Less => Some(floor),
        std::cmp::Ordering::Greater => Some(floor + 1),
        std::cmp::Ordering::Equal => None,
    };
    match rounding {
        Rounding::Floor => floor,
        Rounding::Ceiling => floor + 1,
        Rounding::TowardZero => n / d,
        Rounding::HalfEven => nearest.unwrap_or(if floor % 2 == 0 { floor } else { floor + 1 }),
        Rounding::HalfAwayFromZero => nearest.unwrap_or(if n < 0 { floor } else { floor + 1 }),
    }
}

const ALL: [Rounding; 5] =
    [Rounding::HalfEven, Rounding::HalfAwayFromZero, Rounding::TowardZero, Rounding::Floor, Rounding::Ceiling];

fn any_minor() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -1_000i64..1_000, Just(i64::MIN), Just(i64::MAX)]
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_i128(a in any_minor(), b in any_minor()) {
        let (x, y) = (Fixed::<2>::from_minor(a), Fixed::<2>::from_minor(b));
        let (wide_a, wide_b) = (i128::from(a), i128::from(b));
        let expect = |wide: i128| i64::try_from(wide).ok().map(Fixed::<2>::from_minor);
        prop_assert_eq!(x.checked_add(y), expect(wide_a + wide_b));
        prop_assert_eq!(x.checked_sub(y), expect(wide_a - wide_b));
        prop_assert_eq!(x.checked_neg(), expect(-wide_a));
        prop_assert_eq!(x.checked_mul(b), expect(wide_a * wide_b));
        prop_assert_eq!(Fixed::<2>::checked_from_int(a), expect(wide_a * 100));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        for rounding in ALL {
            let rate = Fixed::<4>::from_minor(b);
            let product = rounded(wide_a * wide_b, 10_000, rounding);
            prop_assert_eq!(x.checked_mul_rounded(rate, rounding), expect(product), "{:?}", rounding);
            let quotient = (b != 0).then(|| rounded(wide_a, wide_b, rounding)).and_then(expect);
            prop_assert_eq!(x.checked_div_rounded(b, rounding), quotient, "{:?}", rounding);
            prop_assert_eq!(x.checked_rescale::<0>(rounding), i64::try_from(rounded(wide_a, 100, rounding)).ok().map(Fixed::from_minor));
        }
        prop_assert_eq!(x.checked_rescale::<4>(Rounding::Floor), i64::try_from(wide_a * 100).ok().map(Fixed::from_minor));
    }

    #[test]
    fn text_is_exact(minor in any_minor()) {
        fn check<const N: u8>(minor: i64) {
            let fixed = Fixed::<N>::from_minor(minor);
            let text = fixed.to_string();
            assert_eq!(text.parse::<Fixed<N>>().unwrap(), fixed, "{text}");
            assert_eq!(serde_json::to_string(&fixed).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Fixed<N>>(&format!("\"{text}\"")).unwrap(), fixed);
            let digits: String = text.chars().filter(|c| *c != '.').collect();
            assert_eq!(digits.parse::<i128>().unwrap(), i128::from(minor));
            assert_eq!(text.split_once('.').map_or(0, |(_, places)| places.len()), usize::from(N));
        }
        check::<0>(minor);
        check::<1>(minor);
        check::<2>(minor);
        check::<9>(minor);
        check::<18>(minor);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "-?[0-9]{0,40}[.,]?[0-9]{0,20}.?") {
        let _ = text.parse::<Fixed<2>>();
        let _ = text.parse::<Fixed<18>>();
    }
}

#[test]
fn what_is_read_is_never_rounded() {
    for (text, minor) in [("12.34", 1_234), ("12.3", 1_230), ("12", 1_200), ("-0.05", -5), ("-0", 0), ("007.5", 750)] {
        assert_eq!(text.parse::<Fixed<2>>().unwrap().minor(), minor, "{text}");
    }
    assert_eq!("-92233720368547758.08".parse::<Fixed<2>>().unwrap(), Fixed::MIN);
    for text in ["", "-", ".", "1.", ".5", "1.234", "1.230", "+1", "1e2", "1,5", " 1", "--1", "1.2.3", "0x1", "\u{661}"]
    {
        assert!(text.parse::<Fixed<2>>().is_err(), "{text}");
    }
    assert!("92233720368547758.08".parse::<Fixed<2>>().is_err());
    assert!("5.5".parse::<Fixed<0>>().is_err());
    assert!(serde_json::from_str::<Fixed<2>>("12.34").is_err(), "a JSON number has been a float");
}

#[test]
fn formats_with_width_and_sign() {
    assert_eq!(format!("{:>8}|{:+}", Fixed::<2>::from_minor(-5), Fixed::<2>::from_minor(5)), "   -0.05|+0.05");
    assert_eq!(format!("{:?}", Fixed::<2>::MIN), "Fixed(-92233720368547758.08)");
}

/// Ties are rare among random numbers.
#[test]
fn every_small_quotient_is_rounded_by_its_rule() {
    for numerator in -120i128..=120 {
        for denominator in (-24i128..=24).filter(|denominator| *denominator != 0) {
            for rounding in ALL {
                let expected = rounded(numerator, denominator, rounding);
                assert_eq!(
                    rounding.divide(numerator, denominator),
                    Some(expected),
                    "{numerator}/{denominator} {rounding:?}"
                );
            }
        }
        assert_eq!(Rounding::Floor.divide(numerator, 0), None);
    }
}
