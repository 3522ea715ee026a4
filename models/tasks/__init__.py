"""The kinds of data that models learn from: each with its batches and the way a sample of it is written."""
