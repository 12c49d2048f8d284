//! Races between what happens in a tree and the watch that follows it.
