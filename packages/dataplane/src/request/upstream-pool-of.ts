/**
 * The pool of connections that hangs on a backend's runtime: made for its first request, told of new settings with every one.
 */
import type { Backend, BackendRuntime, Pool } from '../config/table.ts';
import { Http2Pool } from '../http2/upstream-pool.ts';
import type { DataplaneContext } from '../thread/context.ts';
import { UpstreamPool } from '../upstream/pool.ts';

export function upstreamPoolOf(backend: Backend, pool: Pool, context: DataplaneContext): UpstreamPool | Http2Pool {
  const { certificates } = context.table().snapshot;
  const { runtime } = backend;
  const { upstream: spec } = pool.spec;
  const Kind = spec.protocol === 'http1' ? UpstreamPool : Http2Pool;
  if (runtime.upstream instanceof Kind) {
    runtime.upstream.configure(spec, certificates);
    return runtime.upstream;
  }
  // Another protocol than before: what is under way finishes.
  retireUpstream(runtime);
  const options = { host: backend.host, port: backend.port, runtime, timers: context.timers };
  const upstreams = new Kind(options, spec, certificates);
  runtime.upstream = upstreams;
  return upstreams;
}

/** Lets go of the pooled connections of a backend that left the table. */
export function retireUpstream({ upstream }: BackendRuntime): void {
  if (upstream instanceof UpstreamPool || upstream instanceof Http2Pool) upstream.retire();
}
