"""HLO as Python data; imports neither TVM nor any framework."""
