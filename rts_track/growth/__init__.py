"""Pure arithmetic of change."""
