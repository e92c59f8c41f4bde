#[cfg(feature = "sqlite")]
mod backend;
#[cfg(feature = "sqlite")]
mod coverage;
#[cfg(feature = "sqlite")]
mod differential;
mod examples;
#[cfg(feature = "sqlite")]
mod generate;
#[cfg(feature = "sqlite")]
mod planted;
#[cfg(feature = "sqlite")]
mod regressions;
mod sources;
mod timing;
