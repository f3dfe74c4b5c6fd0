"""CEL: parsing, checking, evaluating and explaining expressions."""
