//! With the real solver.
