"""How well a rate constant is known: profile intervals, noise estimates, the Cramer-Rao bound."""
