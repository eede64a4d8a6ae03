"""Single opcodes in terms of others."""
