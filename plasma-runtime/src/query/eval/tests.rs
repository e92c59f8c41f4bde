mod differential;
mod examples;
mod generate;
mod timing;
