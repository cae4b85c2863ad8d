/** Helpers that start real nodes for tests. */
export {};
