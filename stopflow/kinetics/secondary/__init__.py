"""Secondary plots: k_obs against concentration and temperature."""
