/**
 * Opens sockets to a backend: plain or TLS, with a PROXY header first where the pool wants one.
 */
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { CertificateSpec, UpstreamSpec } from '@flotilla/shared';
import { dialPlain } from '../wire/dial-plain.ts';

export interface DialEvents {
  /** After the handshake where there is one. */
  connected(): void;
  /** Lent for the call: what is kept is copied. */
  received(buffer: Buffer, length: number): void;
}

/** What it takes to reach backends of one pool; made once per configuration, not per connection. */
export class Dialer {
  readonly spec: UpstreamSpec;
  readonly #context: SecureContext | null;
  /** The last TLS session with the backend, so that later handshakes are short. */
  #session: Buffer | undefined;

  constructor(spec: UpstreamSpec, certificates: readonly CertificateSpec[]) {
    this.spec = spec;
    this.#context = spec.tls === null ? null : secureContext(spec.tls, certificates);
  }

  dial(host: string, port: number, events: DialEvents): Socket {
    const { tls } = this.spec;
    if (tls === null || this.#context === null) {
      const socket = dialPlain({ host, port }, (buffer, length) => events.received(buffer, length));
      socket.once('connect', () => events.connected());
      return socket;
    }
    return this.#dialTls(tls, this.#context, { host, port, events });
  }

  #dialTls(
    tls: NonNullable<UpstreamSpec['tls']>,
    secureContext: SecureContext,
    target: { host: string; port: number; events: DialEvents },
  ): Socket {
    const { host, port, events } = target;
    const servername = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
    const socket = connectTls({
      host,
      port,
      secureContext,
      rejectUnauthorized: tls.verify,
      ALPNProtocols: [this.spec.protocol === 'h2' ? 'h2' : 'http/1.1'],
      ...(servername === undefined ? {} : { servername }),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
    socket.setNoDelay(true);
    socket.on('session', (session: Buffer) => (this.#session = session));
    socket.on('data', (chunk: Buffer) => events.received(chunk, chunk.length));
    socket.once('secureConnect', () => events.connected());
    return socket;
  }
}

function secureContext(tls: NonNullable<UpstreamSpec['tls']>, certificates: readonly CertificateSpec[]): SecureContext {
  const find = (name: string | null) => certificates.find((certificate) => certificate.name === name);
  const ca = find(tls.ca);
  const client = find(tls.clientCertificate);
  return createSecureContext({
    ...(ca === undefined ? {} : { ca: ca.certPem }),
    ...(client === undefined ? {} : { cert: client.certPem, key: client.keyPem }),
  });
}
