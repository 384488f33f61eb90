"""Out of the workbench: whole models, GGUF files, Ollama and bundles, each with a proof."""
