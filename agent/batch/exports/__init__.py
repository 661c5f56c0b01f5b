"""The output of a batch as others take it: Parquet, a Hugging Face folder, preference rows; never half a file."""
