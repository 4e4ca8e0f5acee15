//! A real `cedargate serve` on a real Redis server that fails in every way it can.
