//! The primitives against the vectors of project Wycheproof.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use wycheproof::TestResult;

/// All of AES-256-GCM with nonces of 96 and tags of 128 bits.
#[test]
fn aes_gcm() {
    let (mut tried, mut refused) = (0, 0);
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    for group in
        set.test_groups.iter().filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128))
    {
        for test in &group.tests {
            let cipher = Aes256Gcm::new_from_slice(&test.key).unwrap();
            let nonce = test.nonce[..].try_into().unwrap();
            let mut text = test.ct.to_vec();
            let opened = cipher.decrypt_inout_detached(
                nonce,
                &test.aad,
                text.as_mut_slice().into(),
                test.tag[..].try_into().unwrap(),
            );
            tried += 1;
            if test.result.must_fail() {
                assert!(opened.is_err(), "{test:?}");
                refused += 1;
                continue;
            }
            assert!(opened.is_ok() && text == test.pt[..], "{test:?}");
            let tag = cipher.encrypt_inout_detached(nonce, &test.aad, text.as_mut_slice().into()).unwrap();
            assert_eq!((&text[..], &tag[..]), (&test.ct[..], &test.tag[..]), "{test:?}");
        }
    }
    assert!(tried >= 66 && refused >= 27, "{tried} {refused}");
}

#[test]
fn hkdf_sha256() {
    let mut tried = 0;
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let made = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(made.is_ok(), test.result == TestResult::Valid, "{test:?}");
        assert!(made.is_err() || okm == test.okm[..], "{test:?}");
        tried += 1;
    }
    assert!(tried >= 80, "{tried}");
}

#[test]
fn hmac_sha256() {
    let mut tried = 0;
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let mac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap().chain_update(&test.msg[..]);
            let tag = mac.finalize().into_bytes();
            let equal = tag[..group.tag_size / 8] == test.tag[..];
            assert_eq!(equal, test.result == TestResult::Valid, "{test:?}");
            tried += 1;
        }
    }
    assert!(tried >= 100, "{tried}");
}

#[cfg(feature = "pq")]
mod ml_kem_768 {
    use ::ml_kem::kem::{Decapsulate as _, KeyExport as _, TryKeyInit as _};
    use ::ml_kem::{B32, FromSeed as _, MlKem768, ml_kem_768};
    use wycheproof::mlkem::{TestName, TestSet};

    fn tests(name: TestName) -> Vec<wycheproof::mlkem::Test> {
        TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests).collect()
    }

    #[test]
    fn keys_and_decapsulation() {
        let mut tried = 0;
        for test in tests(TestName::MlKem768) {
            let seed = test.seed.as_ref().and_then(|seed| seed[..].try_into().ok());
            let ciphertext = test.ct.as_ref().and_then(|ct| ct[..].try_into().ok());
            let (Some(seed), Some(ciphertext)) = (seed, ciphertext) else {
                assert!(test.result.must_fail(), "{test:?}");
                continue;
            };
            let (secret, public) = MlKem768::from_seed(&seed);
            if let Some(expected) = &test.encaps_key {
                assert_eq!(public.to_bytes()[..], expected[..]);
            }
            let ciphertext: ml_kem_768::Ciphertext = ciphertext;
            assert_eq!(secret.decapsulate(&ciphertext)[..], test.shared_secret.as_ref().unwrap()[..], "{}", test.tc_id);
            tried += 1;
        }
        for test in tests(TestName::MlKem768KeyGenSeed) {
            let (_, public) = MlKem768::from_seed(&test.seed.as_ref().unwrap()[..].try_into().unwrap());
            assert_eq!(public.to_bytes()[..], test.encaps_key.as_ref().unwrap()[..], "{}", test.tc_id);
            tried += 1;
        }
        assert!(tried >= 200, "{tried}");
    }

    #[test]
    fn encapsulation() {
        let (mut tried, mut refused) = (0, 0);
        for test in tests(TestName::MlKem768Encaps) {
            let key = test.encaps_key.as_ref().unwrap();
            let Ok(public) = ml_kem_768::EncapsulationKey::new_from_slice(key) else {
                assert!(test.result.must_fail(), "{}", test.tc_id);
                refused += 1;
                continue;
            };
            assert!(!test.result.must_fail(), "{}", test.tc_id);
            let random: B32 = test.msg.as_ref().unwrap()[..].try_into().unwrap();
            let (ciphertext, shared) = public.encapsulate_deterministic(&random);
            assert_eq!(ciphertext[..], test.ct.as_ref().unwrap()[..], "{}", test.tc_id);
            assert_eq!(shared[..], test.shared_secret.as_ref().unwrap()[..], "{}", test.tc_id);
            tried += 1;
        }
        assert!(tried >= 20 && refused >= 20, "{tried} {refused}");
    }
}
