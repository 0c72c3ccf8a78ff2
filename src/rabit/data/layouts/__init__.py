"""The public layouts of corpora on disk, each read as a `Source`."""
