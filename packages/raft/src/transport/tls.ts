/**
 * Plain or mutually authenticated TLS sockets. With TLS a node's certificate must name the node; host names do not
 * matter, since addresses change and identities do not.
 */
import { connect as connectPlain, createServer as createPlainServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, Server as TlsServer, TLSSocket } from 'node:tls';
import { HANDSHAKE_TIMEOUT_MS } from './limits.ts';
import type { TransportTls } from './options.ts';

export interface ListenerEvents {
  onSocket(socket: Socket): void;
  /** A peer whose certificate is not of our CA, or that did not like ours. */
  onRefused(remote: string, reason: string): void;
}

const MIN_VERSION = 'TLSv1.3';

export function listener(tls: TransportTls | undefined, { onSocket, onRefused }: ListenerEvents): Server {
  if (!tls) return createPlainServer({ noDelay: true }, onSocket);
  const server = createTlsServer({
    ...tls,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: MIN_VERSION,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.on('secureConnection', onSocket);
  // A failed TLS handshake concerns one stranger. Node closes its socket, but not where the handshake took too long.
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Where the certificate did not pass, node just closes the socket: the error tells of that, the socket of the reason.
    const { authorizationError } = socket as { readonly authorizationError?: string | Error | null };
    const reason = String(authorizationError ?? error.code ?? error.message);
    if (isCertificateFault(reason)) onRefused(socket.remoteAddress ?? 'a stranger', reason);
    socket.destroy();
  });
  return server;
}

/** Connections that are accepted from now on; those that stand are not touched. */
export function renewListener(server: Server, tls: TransportTls): void {
  if (!(server instanceof TlsServer)) throw new Error('a listener without TLS cannot be given certificates');
  server.setSecureContext({ ...tls, minVersion: MIN_VERSION });
}

export function dial(
  address: { readonly host: string; readonly port: number },
  tls: TransportTls | undefined,
  onConnected: () => void,
): Socket {
  if (!tls) return connectPlain({ ...address, noDelay: true }, onConnected);
  const identity = { rejectUnauthorized: true, minVersion: MIN_VERSION, checkServerIdentity: () => undefined } as const;
  return connectTls({ ...address, ...tls, ...identity }, onConnected);
}

/** Faults of certificates, ours or theirs, as OpenSSL names them; others are broken connections and strangers' junk. */
export function isCertificateFault(code: string): boolean {
  return /CERT|SELF_SIGNED|(?:UNKNOWN|INVALID)_CA|ISSUER|LEAF_SIGNATURE|INVALID_PURPOSE/.test(code);
}

/** True without TLS, or where the peer's certificate names this node as a DNS SAN or as its CN. */
export function certificateNames(socket: Socket, name: string): boolean {
  if (!(socket instanceof TLSSocket)) return true;
  const certificate = socket.getPeerCertificate();
  const alternatives = (certificate.subjectaltname ?? '').split(', ');
  return alternatives.includes(`DNS:${name}`) || certificate.subject?.CN === name;
}
