"""Looking through a corpus for everything that is wrong with it, instead of for the first thing."""
