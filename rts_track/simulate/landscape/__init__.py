"""Landscapes with thaw slumps in them: terrain, water, tundra, and what sensors see of it."""
