"""The kinetics report: answers first, then one page an experiment, then the methods."""
