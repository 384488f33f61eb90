"""Local models: found, loaded, and asked in the words they were trained on."""
