/** Deterministic simulation of a cluster on virtual time, network and disk. */
export {};
