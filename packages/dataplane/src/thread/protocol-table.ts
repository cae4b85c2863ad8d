/** The protocols of this build, by kind of listener. */
import { Http1Connection } from '../http1/connection.ts';
import type { Protocols } from '../listeners/protocols.ts';
import { StreamProxy } from '../listeners/stream-proxy.ts';

export const protocols: Protocols = {
  http: (accepted) => new Http1Connection(accepted),
  https: (accepted) => new Http1Connection(accepted),
  tcp: (accepted) => new StreamProxy(accepted),
  tls: (accepted) => new StreamProxy(accepted),
};
