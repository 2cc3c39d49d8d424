"""The live page over HTTP, for one reader on this machine: `stopflow serve`."""
