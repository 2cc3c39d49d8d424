"""Where the mixing artefact ends and the reaction can be fitted."""
