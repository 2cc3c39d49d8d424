"""A simulated stopped-flow lab with known truth.

`instrument` is the physics of one shot, `chemistry` the reactions, `plan` how a lab sets an
experiment up, `lab` its shots, `writer` the folders on disk.
"""
