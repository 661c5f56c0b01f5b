"""What `clinalign batch` costs and survives: `clinalign eval batch efficiency | embedded | memory | kill`."""
