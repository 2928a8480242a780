"""Pages that show what a file of samples holds: counts (`stats`) and the samples themselves (`show`)."""
