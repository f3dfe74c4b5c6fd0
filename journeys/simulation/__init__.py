"""Runs histories and scenarios through the engine in memory: backtest, simulate, journey tests."""
