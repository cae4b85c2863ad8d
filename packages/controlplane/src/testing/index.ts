/** Stand-ins for what the control thread speaks with, and whole clusters of control threads. */
export * from './control-cluster.ts';
export * from './proxy-thread.ts';
export * from './test-backend.ts';
