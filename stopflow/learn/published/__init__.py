"""Published networks trained again: as they were published, and with this project's methods."""
