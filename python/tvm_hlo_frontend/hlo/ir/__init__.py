"""HLO as frozen Python data."""
