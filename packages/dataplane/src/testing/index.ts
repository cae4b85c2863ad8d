/** Helpers for tests of the data plane and of what embeds it. */
export * from './snapshots.ts';
export * from './proxy-threads.ts';
export * from './in-process-proxy.ts';
