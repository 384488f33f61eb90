"""A strategy behind a small HTTP API: `kwtui serve`."""
