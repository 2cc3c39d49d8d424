"""Excel, ODS and CSV workbooks: start times, conditions and the lab's own rates."""
