"""The loop of every role with state: batch, compute, transaction, store, acknowledge."""
