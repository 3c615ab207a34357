"""Edges that read what others made."""
