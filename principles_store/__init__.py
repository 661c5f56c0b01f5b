"""The clinical principles: their library, their index, and the scenario they are keyed by.

Importing this package is cheap: numpy, Chroma and the embedding model are loaded when first used.
"""
