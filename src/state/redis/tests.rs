//! The contract on a real Redis server, and what only Redis does.
