/** The protocols of this build, by kind of listener. */
import type { Protocols } from '../listeners/protocols.ts';
import { StreamProxy } from '../listeners/stream-proxy.ts';

export const protocols: Protocols = {
  http: (accepted) => new StreamProxy(accepted),
  https: (accepted) => new StreamProxy(accepted),
  tcp: (accepted) => new StreamProxy(accepted),
  tls: (accepted) => new StreamProxy(accepted),
};
