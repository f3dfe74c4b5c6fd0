"""The one loop that every role with state runs on: batch, compute, transaction, store, acknowledge."""
