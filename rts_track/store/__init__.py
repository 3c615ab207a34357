"""Where the contract tables live: one protocol, two engines."""
