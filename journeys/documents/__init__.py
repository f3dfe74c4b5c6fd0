"""The kinds of documents that users write, one file each."""
