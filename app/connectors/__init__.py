"""The catalogue: how each provider wants to be dealt with, as data, and its reader."""
