"""Pure geometry of footprints, outlines and looks."""
