"""The command line, one module a noun; a module is imported when its command is called."""
