/** Listeners, request phases, balancing, upstream pools: everything that a proxy thread does. `./table` is the pure part. */
export { runProxyThread } from './thread/proxy-thread.ts';
