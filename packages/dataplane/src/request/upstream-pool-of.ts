/**
 * The pool of connections that hangs on a backend's runtime: made for its first request, told of new settings with every one.
 */
import type { Backend, Pool } from '../config/table.ts';
import type { DataplaneContext } from '../thread/context.ts';
import { UpstreamPool } from '../upstream/pool.ts';

export function upstreamPoolOf(backend: Backend, pool: Pool, context: DataplaneContext): UpstreamPool {
  const { certificates } = context.table().snapshot;
  const { runtime } = backend;
  if (runtime.upstream instanceof UpstreamPool) {
    runtime.upstream.configure(pool.spec.upstream, certificates);
    return runtime.upstream;
  }
  const options = { host: backend.host, port: backend.port, runtime, timers: context.timers };
  const upstreams = new UpstreamPool(options, pool.spec.upstream, certificates);
  runtime.upstream = upstreams;
  return upstreams;
}
