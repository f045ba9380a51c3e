"""What Tidemill needs at a given load, as arithmetic and as simulations; docs/scale.md is made of it."""
