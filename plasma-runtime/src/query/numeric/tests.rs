use proptest::prelude::*;

use super::*;

fn total(values: &[Value]) -> Sum {
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(value).unwrap());
    sum
}

fn bits(value: Result<Value>) -> Option<u64> {
    match value {
        Ok(Value::Float(x)) => Some(x.to_bits()),
        Err(error) if error.kind() == ErrorKind::Overflow => None,
        other => panic!("{other:?}"),
    }
}

/// Floats, their sum and their mean by their bits, none when it overflows: the sums of Python's `fractions.Fraction`,
/// whose conversion to a float is the nearest one.
#[rustfmt::skip]
const SUMS: &[(&[u64], Option<u64>, Option<u64>)] = &[
    (&[0x3fd3333333333333, 0x000128b20c5c7fd0, 0xc0bf59f333333333], Some(0xc0bf59a666666666), Some(0xc0a4e66eeeeeeeef)),
    (&[0xc0b57975c28f5c29], Some(0xc0b57975c28f5c29), Some(0xc0b57975c28f5c29)),
    (&[0x93fb877d1e131f48, 0x13fb877d1e131f48, 0x90c192cfd3ac94af], Some(0x90c192cfd3ac94af), Some(0x90a76e6a6f90c63f)),
    (&[0x000953f4a09f76b5, 0x95e60af593bd04cf], Some(0x95e60af593bd04cf), Some(0x95d60af593bd04cf)),
    (&[0xdbc496cb8e81973e, 0x3fb999999999999a], Some(0xdbc496cb8e81973e), Some(0xdbb496cb8e81973e)),
    (&[0x4ef8aa3892276658, 0xcef8aa3892276658, 0x0001a61d2e44158b, 0x409eec147ae147ae, 0x0005f557301850c5], Some(0x409eec147ae147ae), Some(0x4078bcdd2f1a9fbe)),
    (&[0x0f4205b4907a70c3, 0xc0b630bd70a3d70a, 0x6a271758a881ed14, 0xbfb19ca1da862790, 0xbc41b7ab5b342788, 0xffefffffffffffff, 0x4cdd2055930d6eaf], Some(0xffefffffffffffff), Some(0xffc2492492492492)),
    (&[0x00049b6472e6cc3a, 0x80049b6472e6cc3a, 0x6b0a18e8830e07bc], Some(0x6b0a18e8830e07bc), Some(0x6af165f0575eafd3)),
    (&[0x3ff0000000000000, 0x909d7da0d84dc8f2, 0x409f84e147ae147b], Some(0x409f88e147ae147b), Some(0x408505eb851eb852)),
    (&[0xbfd476ded4e011f8, 0x3fc8289fcfe4c288, 0x40ba3807ae147ae1, 0x94bb99634947befa, 0xbfaa85f726c75360, 0x0000f88010a3d6b2, 0x0004f426b394fb36, 0x000fe3b893f448b3, 0x00072158d269a9a5, 0x3fdbba75a62c33a4, 0x00005c6a58d5563d, 0x9aa28026ed4fac84], Some(0x40ba3847cab3cc77), Some(0x40817ada87228850)),
    (&[0xbfe7b8e3ca17d4f2, 0x3fd3333333333333], Some(0xbfdc3e9460fc76b1), Some(0xbfcc3e9460fc76b1)),
    (&[0xefbad7c186ab4828, 0x1f99503011c81dc0, 0x44074b858466d982, 0x000fc8916a50df4d, 0x3fd763781e25a760, 0x236d4b77d1d8943e, 0x26bb7dbd2d1c9af0, 0x0000000000000003, 0x0000000000000001, 0x2b6530a30cb68662, 0xbfdbe9b1afef3b8c, 0x3fd3333333333333], Some(0xefbad7c186ab4828), Some(0xef81e52baf1cdac5)),
    (&[0xc0a9ec75c28f5c29, 0x4341c37937e08000, 0x40ad2f47ae147ae1, 0x0000dd27bd628881, 0x613991f2e6f7c418], Some(0x613991f2e6f7c418), Some(0x611474c2525fd013)),
    (&[0xa260cd0b7b45145c, 0x2260cd0b7b45145c, 0x3ff0000000000000], Some(0x3ff0000000000000), Some(0x3fd5555555555555)),
    (&[0xc0c160b47ae147ae, 0x40c160b47ae147ae, 0x4341c37937e08000], Some(0x4341c37937e08000), Some(0x4327af4c4a80aaab)),
    (&[0xc0c27c9ae147ae14, 0x40c27c9ae147ae14, 0xc0a07bcccccccccd], Some(0xc0a07bcccccccccd), Some(0xc085fa6666666667)),
    (&[0x3fca2ef80ba73a10, 0xbfca2ef80ba73a10, 0xcc54134e4211b4c0], Some(0xcc54134e4211b4c0), Some(0xcc3ac46858179bab)),
    (&[0x000bd87a57b6fb7e], Some(0x000bd87a57b6fb7e), Some(0x000bd87a57b6fb7e)),
    (&[0x000842e729540a6e, 0xf373ca533488f876, 0xc0a2db051eb851ec, 0x4341c37937e08000, 0x87322e25c215a82a, 0x3fee9fc3ad24b1b4, 0xd86f40f6b239f3c7, 0x3fa2d6a02ef004c0, 0x3fc999999999999a, 0x4341c37937e08000, 0x40b8c1f5c28f5c29, 0xc0a81cdc28f5c28f], Some(0xf373ca533488f876), Some(0xf33a63199b614b48)),
    (&[0xffefffffffffffff, 0x36beb428bcda6c6c, 0x4341c37937e08000, 0x84127ced344dcec4, 0x4787f93bca44eb86], Some(0xffefffffffffffff), Some(0xffc9999999999999)),
    (&[0x000f4de29aea6429, 0xbfbb04f94c407580], Some(0xbfbb04f94c407580), Some(0xbfab04f94c407580)),
    (&[0xbfead8769e3c7e40, 0x3fead8769e3c7e40, 0x3fc999999999999a], Some(0x3fc999999999999a), Some(0x3fb1111111111111)),
    (&[0x40bdc935c28f5c29, 0xe8c147437abec539, 0x000ccb575810d60e, 0x000d5ab815b40aeb, 0x000e8e721eb20109], Some(0xe8c147437abec539), Some(0xe89ba538c4646ec2)),
    (&[0x3ff0000000000000, 0xbff0000000000000, 0x00016353551fd8f9, 0x0007691b6555abfe, 0x126f262e7f26149c, 0x0002b85528aaca51, 0x0000000000000001], Some(0x126f262e7f26149c), Some(0x1241ccacdaf13059)),
    (&[0x0009c901256badf9, 0x8009c901256badf9, 0x00059b44effddeea], Some(0x00059b44effddeea), Some(0x0001de6c4fff4a4e)),
    (&[0x0000000000000001, 0xf88c422bcca2a92b, 0x0001a4f4a6511445, 0x40b65611eb851eb8, 0x3fd3333333333333], Some(0xf88c422bcca2a92b), Some(0xf8669b563d4eedbc)),
    (&[0x0000000000000001, 0xbfe261d0dda8011a], Some(0xbfe261d0dda8011a), Some(0xbfd261d0dda8011a)),
    (&[0xc0a8b7051eb851ec, 0x40a8b7051eb851ec, 0x0000000000000001, 0x000e5cfe5a9196f0, 0x6854cbf9a9556584, 0xc0bc59b333333333, 0xc0ba9fc51eb851ec, 0x408617851eb851ec, 0x70ac06acdf703017, 0xc341c37937e08000, 0xcc966f46c6aa7d55, 0x7fefffffffffffff], Some(0x7fefffffffffffff), Some(0x7fb5555555555555)),
    (&[0x0008e7521ece615d, 0x8008e7521ece615d, 0x4091a8851eb851ec, 0x405d9eb851eb851f, 0x8f6f915fe21b37ca], Some(0x40938270a3d70a3e), Some(0x406f371a9fbe76c9)),
    (&[0xbfed4c9d01d268c6, 0x73c1cd2c81f98b52], Some(0x73c1cd2c81f98b52), Some(0x73b1cd2c81f98b52)),
    (&[0x535b6a437178ba0a, 0xd35b6a437178ba0a, 0x4087266666666666, 0x3fb999999999999a, 0x76d0b42c888564c0, 0x40c308599999999a, 0x4341c37937e08000, 0x3feb0ee58479e25e, 0x3ff0000000000000, 0x3fd3333333333333, 0x712ea6b36471fde4, 0xbfeb5b679aa17942], Some(0x76d0b42c888564c0), Some(0x76964590b6073100)),
    (&[0x0000000000000003], Some(0x0000000000000003), Some(0x0000000000000003)),
    (&[0x0000000000000003], Some(0x0000000000000003), Some(0x0000000000000003)),
    (&[0x3fe88055491918f0, 0x94d1f245e206cb8c], Some(0x3fe88055491918f0), Some(0x3fd88055491918f0)),
    (&[0x0000000000000003, 0x7fefffffffffffff, 0x000fe7b86e7836a4], Some(0x7fefffffffffffff), Some(0x7fd5555555555555)),
    (&[0xce4378eb5d25a726, 0x5daf106db8dee081, 0x8dd63cb95685d624], Some(0x5daf106db8dee081), Some(0x5d94b59e7b3f4056)),
    (&[0x54dd0ba5626467ba, 0xd4dd0ba5626467ba, 0x3f991cf7f5f554c0, 0xfc2e6a591ce3bc0c, 0x8000000000000001, 0x459c945c43fc0527, 0xc76c603fe7e8f9f6], Some(0xfc2e6a591ce3bc0c), Some(0xfc0161577e38fdbe)),
    (&[0x3fd3333333333333, 0xbfd3333333333333, 0xbfc813cd9b3860b8, 0x40c21e35c28f5c29, 0x409eb8f5c28f5c29, 0x1399a747653b9734, 0xbfec517c519a71d8, 0x0006ce192eefa279, 0xf037afc644d82a53, 0x16ac4191a26aa0ae, 0xbfeaa3f6632273e2, 0x8000000000000001], Some(0xf037afc644d82a53), Some(0xefff95085bcae319)),
    (&[0xe7bf42d32d496acc], Some(0xe7bf42d32d496acc), Some(0xe7bf42d32d496acc)),
    (&[0xc0bc79f5c28f5c29, 0xb5a432cf86e3e726, 0x8000000000000001], Some(0xc0bc79f5c28f5c29), Some(0xc0a2fbf92c5f92c6)),
];

#[test]
fn sums_and_means_are_the_nearest_floats() {
    for (values, sum, mean) in SUMS {
        let mut values: Vec<Value> = values.iter().map(|bits| Value::Float(f64::from_bits(*bits))).collect();
        for _ in 0..2 {
            let total = total(&values);
            assert_eq!(bits(total.sum()), *sum, "sum of {values:?}");
            assert_eq!(bits(total.mean()), *mean, "mean of {values:?}");
            values.reverse();
        }
    }
}

#[test]
fn a_mean_of_floats_whose_sum_overflows_is_finite() {
    let most = total(&[Value::Float(f64::MAX), Value::Float(f64::MAX), Value::Null]);
    assert_eq!(most.sum().unwrap_err().kind(), ErrorKind::Overflow);
    assert_eq!(most.mean().unwrap(), Value::Float(f64::MAX));
}

#[test]
fn sums_of_integers() {
    assert_eq!(total(&[]).sum().unwrap(), Value::Null);
    assert_eq!(total(&[Value::Null]).mean().unwrap(), Value::Null);
    let (max, one) = (Value::Int(i64::MAX), Value::Int(1));
    // SQLite's own sum fails here: on its way it leaves the range.
    assert_eq!(total(&[max.clone(), one.clone(), Value::Int(-2)]).sum().unwrap(), Value::Int(i64::MAX - 1));
    let error = total(&[max.clone(), one]).sum().unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Overflow, "the sum of 2 values, 9223372036854775808, is outside the 64-bit integers")
    );
    assert_eq!(total(&[max.clone(), max]).mean().unwrap(), Value::Float(9_223_372_036_854_775_807.0));
    // 2^53 + 1 and 2^53 + 3: their mean is the float 2^53 + 2, which neither of them is.
    let odd = total(&[Value::Int((1 << 53) + 1), Value::Int((1 << 53) + 3)]);
    assert_eq!(odd.mean().unwrap(), Value::Float(9_007_199_254_740_994.0));
    assert!(total(&[]).add(&Value::Float(f64::NAN)).is_err());
    assert!(total(&[]).add(&Value::from("1")).is_err());
}

#[test]
fn arithmetic_ends_at_the_range_of_its_kind() {
    use ArithmeticOp::*;
    let of = |op, kind, a: i64, b: i64| integer(op, kind, a, b).ok();
    let (min, max) = (i64::from(i32::MIN), i64::from(i32::MAX));
    for (op, a, b, int, big) in [
        (Add, max, 1, None, Some(1 << 31)),
        (Sub, min, 1, None, Some(min - 1)),
        (Mul, min, -1, None, Some(1 << 31)),
        (Div, min, -1, None, Some(1 << 31)),
        (Rem, min, -1, Some(0), Some(0)),
        (Div, -7, 2, Some(-3), Some(-3)),
        (Rem, -7, 2, Some(-1), Some(-1)),
        (Rem, 7, -2, Some(1), Some(1)),
        (Div, 1, 0, None, None),
        (Rem, 1, 0, None, None),
        (Add, i64::MAX, 1, None, None),
        (Div, i64::MIN, -1, None, None),
        (Rem, i64::MIN, -1, Some(0), Some(0)),
    ] {
        assert_eq!(of(op, Kind::Int, a, b), int, "{a} {op:?} {b}");
        assert_eq!(of(op, Kind::BigInt, a, b), big, "{a} {op:?} {b}");
    }
    assert_eq!(
        integer(Mul, Kind::Int, 65_536, 32_768).unwrap_err().message(),
        "65536 * 32768 is outside the 32-bit integers"
    );
    assert_eq!(negate(&Value::Int(i64::MIN)).unwrap_err().kind(), ErrorKind::Overflow);
    assert_eq!(negate(&Value::Int(min)).unwrap(), Value::Int(-min));
    assert_eq!(negate(&Value::Null).unwrap(), Value::Null);
}

#[test]
fn floats_stay_finite_and_zero_has_no_sign() {
    use ArithmeticOp::*;
    for (op, a, b) in [(Add, f64::MAX, f64::MAX), (Div, 1.0, 0.0), (Div, 0.0, 0.0), (Div, 1e300, 1e-300)] {
        assert_eq!(float(op, a, b).unwrap_err().kind(), ErrorKind::Overflow, "{a} {op:?} {b}");
    }
    assert_eq!(float(Mul, -1.0, 0.0).unwrap().to_bits(), 0);
    assert_eq!(bits(negate(&Value::Float(0.0))), Some(0));
    assert_eq!(arithmetic(Add, Kind::Float, &Value::Int(1), &Value::Float(0.5)).unwrap(), Value::Float(1.5));
    assert_eq!(arithmetic(Div, Kind::Float, &Value::Null, &Value::Float(0.0)).unwrap(), Value::Null);
    assert!(arithmetic(Add, Kind::Int, &Value::from("1"), &Value::Int(1)).is_err());
}

#[test]
fn dates_end_at_the_years_that_have_four_digits() {
    let first = -62_135_596_800_000_000;
    assert_eq!(date(first, 0).unwrap(), "0001-01-01");
    assert_eq!(date(first - 1, 0).unwrap_err().kind(), ErrorKind::Overflow);
    assert_eq!(date(first - 1, 1).unwrap(), "0001-01-01");
    assert_eq!(date(-1, 0).unwrap(), "1969-12-31");
    assert_eq!(date(1_709_164_800_000_000 - 1, 0).unwrap(), "2024-02-28");
    assert_eq!(date(1_709_164_800_000_000, -1).unwrap(), "2024-02-28");
    for (micros, minutes) in [(i64::MAX, 0), (i64::MIN, 0), (0, i64::MAX), (i64::MIN, i64::MIN)] {
        assert_eq!(date(micros, minutes).unwrap_err().kind(), ErrorKind::Overflow);
    }
    assert_eq!(date_of(&Value::Null, &Value::Int(0)).unwrap(), Value::Null);
}

proptest! {
    #[test]
    fn the_order_does_not_matter(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, 1..40)) {
        let mut values: Vec<Value> = values.into_iter().map(Value::Float).collect();
        let (sum, mean) = (bits(total(&values).sum()), bits(total(&values).mean()));
        values.sort_by(crate::value::compare::compare);
        prop_assert_eq!(bits(total(&values).sum()), sum);
        prop_assert_eq!(bits(total(&values).mean()), mean);
    }

    /// Sums that a float holds exactly.
    #[test]
    fn whole_numbers_add_up(values in prop::collection::vec(-(1i64 << 40)..1 << 40, 1..100)) {
        let floats: Vec<Value> = values.iter().map(|n| Value::Float(*n as f64)).collect();
        let sum: i64 = values.iter().sum();
        prop_assert_eq!(bits(total(&floats).sum()), Some((sum as f64).to_bits()));
        let mean = sum as f64 / values.len() as f64;
        prop_assert_eq!(bits(total(&floats).mean()), Some((mean + 0.0).to_bits()));
    }
}
