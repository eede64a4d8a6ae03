"""TVM's graph languages behind one interface."""
