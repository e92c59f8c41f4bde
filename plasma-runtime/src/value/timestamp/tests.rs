use super::*;

#[test]
fn arithmetic_is_checked() {
    let time = Timestamp::from_millis(1_000);
    assert_eq!(time.checked_add(Duration::from_nanos(1_999)).unwrap().micros(), 1_000_001);
    assert_eq!(time.checked_sub(Duration::from_secs(2)).unwrap().micros(), -1_000_000);
    let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    assert_eq!(last.checked_add(Duration::from_micros(1)), None);
    assert_eq!(first.checked_sub(Duration::from_micros(1)), None);
    assert_eq!(first.checked_add(Duration::MAX), None);
    assert_eq!(last.checked_since(first), Some(Duration::from_micros(u64::MAX)));
    assert_eq!(first.checked_since(last), None);
    assert_eq!(time.checked_since(time), Some(Duration::ZERO));
}

#[test]
fn the_day_depends_on_the_place() {
    let midnight = Timestamp::from_micros(0);
    assert_eq!(midnight.date(-1).unwrap(), Date::constant(1969, 12, 31));
    assert_eq!(midnight.date(0).unwrap(), Date::constant(1970, 1, 1));
    assert_eq!(midnight.date(24 * 60).unwrap(), Date::constant(1970, 1, 2));
    for micros in [i64::MIN, i64::MAX] {
        for offset in [i32::MIN, 0, i32::MAX] {
            let error = Timestamp::from_micros(micros).date(offset).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Validation);
        }
    }
}
