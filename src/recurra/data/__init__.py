"""From raw files and frames to examples: tables, series, calendars and batches of sequences."""
