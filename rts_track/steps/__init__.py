"""The use cases: what a command or a flow calls."""
