"""The active documents, every version ever accepted, and the programs made of them."""
