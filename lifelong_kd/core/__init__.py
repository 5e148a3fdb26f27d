"""What every room uses: errors, registry, seeds, the clock and the types that travel between rooms."""
