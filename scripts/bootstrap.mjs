/** Placeholder of the bootstrap: the tools are there already. Replaced in the next commit. */
