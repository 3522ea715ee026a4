"""Functions of analysis that NumPy lacks, on NumPy arrays of float64: Bessel's, Airy's, orthogonal polynomials."""
