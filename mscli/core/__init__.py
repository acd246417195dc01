"""Pure vocabulary and algebra of media capture: no device, no thread of its own, standard library only."""
