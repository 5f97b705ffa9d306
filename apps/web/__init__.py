"""What every app serves alike: problem details, health, tokens, host checks, the server process."""
