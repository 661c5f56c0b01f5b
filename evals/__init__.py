"""How good it is: datasets, agreement, and the measurements that the README states."""
