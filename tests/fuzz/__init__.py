"""Bad inputs made by code: small valid files, what can go wrong with them, and what every door must make of it."""
