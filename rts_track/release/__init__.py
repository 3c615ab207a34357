"""Files that leave the store."""
