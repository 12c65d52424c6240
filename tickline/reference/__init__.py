"""What is true before any tick arrives: venues, instruments, fees, trading calendars, and their configuration."""
