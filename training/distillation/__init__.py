"""From the rubrics of many conversations to the few principles behind them, and how much of the rubrics those account for."""
