//! An issuer over real TLS on loopback, and callers that build real requests.
#![allow(clippy::unwrap_used, clippy::inconsistent_digit_grouping)] // amounts are grouped as euros and cents

mod directory;
mod operator;
mod redemption;
mod register;
mod reload;
mod restart;
mod running;
mod withdraw;
