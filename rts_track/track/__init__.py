"""Pure linking: outlines of seasons into tracked slumps."""
