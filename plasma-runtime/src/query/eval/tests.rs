mod differential;
mod examples;
mod generate;
