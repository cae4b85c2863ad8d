/** Helpers for tests of the data plane and of what embeds it. */
export * from './certificates.ts';
export * from './http-backend.ts';
export * from './in-process-proxy.ts';
export * from './proxy-threads.ts';
export * from './random.ts';
export * from './raw-http2.ts';
export * from './snapshots.ts';
