"""rts-track follows retrogressive thaw slumps through the years."""

__version__ = "0.1.0"
