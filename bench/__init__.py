"""One benchmark per hot job, side by side with what a user would pick instead."""
