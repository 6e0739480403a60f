"""What was thrown at the package and what it withstood: `python -m benchmarks.reliability`, kept in docs/."""
