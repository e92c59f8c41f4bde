#[cfg(feature = "sqlite")]
pub(crate) mod backend;
#[cfg(feature = "sqlite")]
mod coverage;
#[cfg(feature = "sqlite")]
mod differential;
mod examples;
#[cfg(feature = "sqlite")]
pub(crate) mod generate;
#[cfg(feature = "sqlite")]
pub(crate) mod planted;
#[cfg(feature = "sqlite")]
mod regressions;
mod sources;
mod timing;
