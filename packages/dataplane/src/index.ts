/** Listeners, request phases, balancing, upstream pools. */
export {};
