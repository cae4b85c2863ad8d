/** The protocols of this build, by kind of listener. */
import { acceptHttp } from '../http2/detect.ts';
import type { Protocols } from '../listeners/protocols.ts';
import { StreamProxy } from '../listeners/stream-proxy.ts';

export const protocols: Protocols = {
  http: acceptHttp,
  https: acceptHttp,
  tcp: (accepted) => new StreamProxy(accepted),
  tls: (accepted) => new StreamProxy(accepted),
};
