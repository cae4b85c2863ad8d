/**
 * TLS termination of one listener: certificates by SNI, replaced without touching what is open, optional client certificates.
 *
 * A `tls.Server` that never listens does the handshakes of sockets accepted elsewhere, so one listener can change its settings
 * (or read a PROXY header first) without another bind. New settings make a new server; handshakes under way keep theirs.
 * Session tickets are encrypted with a key that all nodes derive alike: a session resumes on any thread of any node.
 */
import { createHash, hkdfSync } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import type { CertificateSpec, ListenerSpec, ListenerTls } from '@flotilla/shared';
import { errorText } from '@flotilla/shared';
import { buildCertificateSet } from './certificate-set.ts';
import type { CertificateSet } from './certificate-set.ts';
import { wireOf } from '../wire/tls-wire.ts';
import type { Wire } from '../wire/wire.ts';
import type { TlsIdentity } from './connection.ts';

export type HandshakeOutcome =
  | { readonly type: 'error'; readonly reason: string }
  | { readonly type: 'done'; readonly socket: Wire; readonly identity: TlsIdentity };

/** Forward secrecy and AEAD only, in the order of Mozilla's intermediate profile; TLS 1.3 has its own list. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');
/** 16 bytes name, 16 bytes HMAC key, 16 bytes AES key. */
const TICKET_KEY_BYTES = 48;

/** A handshake under way. */
interface Pending {
  /** Null once it was called: a former table of the map may refer to this long after (`thread/roster.ts`), but not to a connection. */
  done: ((outcome: HandshakeOutcome) => void) | null;
}

export class TlsTermination {
  readonly #listener: string;
  /** By the peer's address: TLS sockets do not expose the socket beneath. */
  readonly #pending = new Map<string, Pending>();
  #server: Server | null = null;
  #fingerprint = '';

  constructor(listener: string) {
    this.#listener = listener;
  }

  /** Follows new settings from the next handshake on; answers '' or why it goes on with the old ones. */
  configure(spec: ListenerSpec, certificates: readonly CertificateSpec[], ticketSecret: string): string {
    if (spec.tls === null) return 'a https listener needs tls settings';
    const used = [...spec.tls.certificates, ...(spec.tls.clientCa === null ? [] : [spec.tls.clientCa])];
    const material = used.map((name) => certificates.find((certificate) => certificate.name === name));
    const fingerprint = JSON.stringify([spec.tls, material, spec.timeouts.headerMs, ticketSecret]);
    if (fingerprint === this.#fingerprint) return '';
    try {
      this.#server = this.#createServer(spec, certificates, ticketSecret);
    } catch (error) {
      return `cannot use its TLS settings: ${errorText(error)}`;
    }
    this.#fingerprint = fingerprint;
    return '';
  }

  handshake(socket: Socket, done: (outcome: HandshakeOutcome) => void): void {
    if (this.#server === null) {
      done({ type: 'error', reason: 'tls-not-configured' });
      return;
    }
    const key = peerKey(socket);
    const pending: Pending = { done };
    this.#pending.set(key, pending);
    socket.once('close', () => {
      if (this.#pending.get(key) === pending) this.#settle(key, { type: 'error', reason: 'tls-handshake' });
    });
    this.#server.emit('connection', socket);
  }

  #settle(key: string, outcome: HandshakeOutcome): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    const { done } = pending;
    pending.done = null;
    done?.(outcome);
  }

  #createServer(spec: ListenerSpec, certificates: readonly CertificateSpec[], ticketSecret: string): Server {
    const tls = spec.tls as ListenerTls;
    const clientCa = certificates.find((certificate) => certificate.name === tls.clientCa);
    if (tls.clientCa !== null && clientCa === undefined) throw new Error(`no certificate named ${tls.clientCa}`);
    const set = buildCertificateSet(tls.certificates, certificates, {
      minVersion: `TLSv${tls.minVersion}`,
      ciphers: CIPHERS,
      ...(clientCa === undefined ? {} : { ca: clientCa.certPem }),
    });
    const server = createServer({
      ...set.fallback,
      ...serverOptions(tls, set, { listener: this.#listener, ticketSecret, clientCa: clientCa?.certPem ?? '' }),
      handshakeTimeout: spec.timeouts.headerMs,
    });
    server.on('secureConnection', (socket) => {
      if (isOutdated(socket)) {
        // Not from within OpenSSL's callback: destroyed there, a session that was taken up again takes the process with it.
        setImmediate(() => this.#refuse(socket));
        return;
      }
      this.#settle(peerKey(socket), { type: 'done', socket: wireOf(socket), identity: identityOf(socket) });
    });
    server.on('tlsClientError', (_error, socket) => this.#refuse(socket));
    return server;
  }

  #refuse(socket: TLSSocket): void {
    this.#settle(peerKey(socket), { type: 'error', reason: 'tls-handshake' });
    socket.destroy();
  }
}

function serverOptions(
  tls: ListenerTls,
  set: CertificateSet,
  around: { readonly listener: string; readonly ticketSecret: string; readonly clientCa: string },
): TlsOptions {
  const ticketKeys = hkdfSync('sha256', around.ticketSecret, around.listener, 'session tickets', TICKET_KEY_BYTES);
  return {
    honorCipherOrder: true,
    allowHalfOpen: true,
    SNICallback: (name, answer) => answer(null, set.choose(name)),
    ...(tls.alpn.length > 0 ? { ALPNProtocols: [...tls.alpn] } : {}),
    ticketKeys: Buffer.from(ticketKeys),
    // Equal on every node, or sessions would not resume on another one. A session carries the verdict on its client's certificate:
    // it must not outlive whom we ask to give one.
    sessionIdContext: createHash('sha256')
      .update(`${around.listener}\0${tls.clientAuth}\0${around.clientCa}`)
      .digest('hex')
      .slice(0, 32),
    ...(tls.clientCa === null ? {} : { requestCert: true, rejectUnauthorized: tls.clientAuth === 'require' }),
  };
}

/** A session that is taken up again is not verified again: the certificate in it may have expired meanwhile. */
function isOutdated(socket: TLSSocket): boolean {
  if (!socket.authorized || !socket.isSessionReused()) return false;
  const certificate = socket.getPeerX509Certificate();
  return certificate !== undefined && certificate.validToDate.getTime() < Date.now();
}

function identityOf(socket: TLSSocket): TlsIdentity {
  // Without a client certificate, or with one that no trusted CA signed, there is no identity to forward.
  const peer = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return {
    serverName: typeof socket.servername === 'string' ? socket.servername : '',
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    clientSubject: peer?.subject ?? '',
    clientFingerprint: peer?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '',
  };
}

function peerKey(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}`;
}
