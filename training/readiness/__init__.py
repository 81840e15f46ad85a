"""Can this site start: is its data fit to learn from, and what is to be mended first."""
