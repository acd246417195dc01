"""The W3C objects, one file per interface, and the whole way from constraints to a live track."""
