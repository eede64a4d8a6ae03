"""Where modules come from: one file per framework, each framework imported only by the functions that need it."""
