"""HLO to a dialect: rules, their table, the driver, and what it reports."""
