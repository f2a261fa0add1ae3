"""The page about a comparison: `document` puts it together, one file for each part of it."""
