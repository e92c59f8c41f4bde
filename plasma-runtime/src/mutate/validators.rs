//! `garde` and `validator`, each behind its feature, at the border where [`Validate`](super::Validate) stands.

use super::Checks;

/// Arguments that `garde` validates: `#[plasma::args(garde)]`.
#[cfg_attr(
    feature = "garde",
    diagnostic::on_unimplemented(
        message = "`{Self}` has no validation by garde",
        label = "`#[plasma::args(garde)]` needs `garde::Validate` with a context that has a default",
        note = "add `#[derive(garde::Validate)]`, with rules such as `#[garde(length(chars, min = 1, max = 200))]`"
    )
)]
#[cfg_attr(
    not(feature = "garde"),
    diagnostic::on_unimplemented(
        message = "`#[plasma::args(garde)]` needs the feature `garde` of plasma",
        label = "the feature is off",
        note = "turn it on in Cargo.toml: `plasma = {{ version = \"..\", features = [\"garde\"] }}`"
    )
)]
pub trait ValidByGarde {
    /// Reports what `garde` finds wrong. The code is `garde`: it knows none by rule.
    fn check(&self, checks: &mut Checks);
}

#[cfg(feature = "garde")]
#[diagnostic::do_not_recommend]
impl<T: garde::Validate> ValidByGarde for T
where
    T::Context: Default,
{
    fn check(&self, checks: &mut Checks) {
        if let Err(report) = self.validate() {
            for (path, error) in report.iter() {
                checks.error(&path.to_string(), "garde", error.message());
            }
        }
    }
}

/// Arguments that `validator` validates: `#[plasma::args(validator)]`.
#[cfg_attr(
    feature = "validator",
    diagnostic::on_unimplemented(
        message = "`{Self}` has no validation by validator",
        label = "`#[plasma::args(validator)]` needs `validator::Validate`",
        note = "add `#[derive(validator::Validate)]`, with rules such as `#[validate(length(min = 1, max = 200))]`"
    )
)]
#[cfg_attr(
    not(feature = "validator"),
    diagnostic::on_unimplemented(
        message = "`#[plasma::args(validator)]` needs the feature `validator` of plasma",
        label = "the feature is off",
        note = "turn it on in Cargo.toml: `plasma = {{ version = \"..\", features = [\"validator\"] }}`"
    )
)]
pub trait ValidByValidator {
    /// Reports what `validator` finds wrong, under the rule's code.
    fn check(&self, checks: &mut Checks);
}

#[cfg(feature = "validator")]
#[diagnostic::do_not_recommend]
impl<T: validator::Validate> ValidByValidator for T {
    fn check(&self, checks: &mut Checks) {
        if let Err(errors) = self.validate() {
            report(checks, "", &errors);
        }
    }
}

/// The errors of a struct and of what is in it, by path: `items[2].title`. In order of the names, which `validator` keeps
/// in a `HashMap`: every run must say the same.
#[cfg(feature = "validator")]
fn report(checks: &mut Checks, path: &str, errors: &validator::ValidationErrors) {
    use validator::ValidationErrorsKind;
    let fields: std::collections::BTreeMap<_, _> = errors.errors().iter().collect();
    for (field, kind) in fields {
        let path = match (path, field.as_ref()) {
            // A rule on the struct as a whole.
            (path, "__all__") => path.to_owned(),
            ("", field) => field.to_owned(),
            (path, field) => format!("{path}.{field}"),
        };
        match kind {
            ValidationErrorsKind::Struct(inner) => report(checks, &path, inner),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    report(checks, &format!("{path}[{index}]"), inner);
                }
            }
            ValidationErrorsKind::Field(broken) => {
                for error in broken {
                    let message =
                        error.message.clone().unwrap_or_else(|| format!("breaks the rule `{}`", error.code).into());
                    checks.error(&path, &error.code, message);
                }
            }
        }
    }
}
