"""Commands of the command line, a module each; nothing heavy is imported before one needs it."""
