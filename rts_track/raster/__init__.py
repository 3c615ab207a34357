"""Rasters as arrays with their grid: indices, terrain, masks, windows."""
