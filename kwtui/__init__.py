"""The face of the workbench: command line and terminal application."""
