"""How long each person is on screen, per episode and per season."""
