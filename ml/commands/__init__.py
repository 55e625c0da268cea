"""The commands of the command line: a file each, with a function that adds it."""
