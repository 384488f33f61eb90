"""From a text to its keywords: prompts, answers, feedback, and the ground under them."""
