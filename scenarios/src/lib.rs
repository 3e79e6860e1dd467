//! What the Blackstart engine is put through: workloads, reference models, checks.
#![forbid(unsafe_code)]
