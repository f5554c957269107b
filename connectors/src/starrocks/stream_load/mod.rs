//! Stream Load: one HTTP request that loads rows, all or none, under a label.
//!
//! [`client`] knows the cluster, [`load`] drives a load from the frontend's redirect to its known outcome, [`transaction`] loads of which
//! several become visible at once, [`roll_back`] ends what nobody awaits any more, [`patience`] says how long all of them try and [`errors`]
//! what is said when they cannot; [`exchange`] is the HTTP/1.1 below it, [`redirect`]
//! decides which hosts may see the password, [`response`] reads answers, [`label`] names loads, [`body`] is what is sent and
//! [`headers`] knows what may be set. [`compress`] makes bodies smaller, [`probe`] asks what a server knows, [`slots`] says how many loads are under way at a time, and [`server_time`] how long a
//! server has taken.

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod compress;
mod errors;
pub(crate) mod exchange;
pub(crate) mod headers;
pub(crate) mod label;
pub(crate) mod load;
pub(crate) mod patience;
pub(crate) mod probe;
pub(crate) mod redirect;
pub(crate) mod response;
pub(crate) mod roll_back;
mod server_time;
pub(crate) mod slots;
pub(crate) mod transaction;

#[cfg(test)]
pub(crate) mod fault_server;
#[cfg(test)]
mod tests;
