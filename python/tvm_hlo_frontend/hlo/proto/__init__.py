"""HLO as protobuf messages: reading and writing."""
