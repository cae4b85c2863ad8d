/**
 * Accepts connections on the raft port and finds out who is there. Strangers cost little: few at a time, small frames,
 * a deadline, and nothing of theirs is decoded beyond the fixed fields of the handshake.
 */
import type { Server, Socket } from 'node:net';
import { ByteWriter, FormatError } from '../codec/bytes.ts';
import { replicaName } from '../core/conf-change.ts';
import type { ReplicaId } from '../core/types.ts';
import { Connection } from './connection.ts';
import { FrameType } from './framing.ts';
import { commonVersion, NONCE_BYTES, proofMatches, prove, readHello, writeChallenge } from './handshake.ts';
import type { Hello } from './handshake.ts';
import { FEATURES } from './identity.ts';
import type { LocalIdentity } from './identity.ts';
import { HANDSHAKE_TIMEOUT_MS, HANDSHAKES_MAX_COUNT } from './limits.ts';
import type { RefusalCode, TransportTls } from './options.ts';
import { certificateNames, listener, renewListener } from './tls.ts';

export interface IncomingHandlers {
  /** The peer has proved who it is: null to take the connection, or why not. */
  admit(hello: Hello): RefusalCode | null;
  /** Takes over; frames follow from here on. */
  accepted(connection: Connection, hello: Hello): void;
}

export class Incoming {
  readonly #local: LocalIdentity;
  readonly #handlers: IncomingHandlers;
  readonly #server: Server;
  /** Oldest first. */
  readonly #strangers = new Set<Stranger>();

  constructor(local: LocalIdentity, handlers: IncomingHandlers) {
    this.#local = local;
    this.#handlers = handlers;
    this.#server = listener(local.tls, {
      onSocket: (socket) => this.#connected(socket),
      onRefused: (remote, reason) => local.refusals.note('BAD_CERTIFICATE', 'in', { peer: remote, detail: reason }),
    });
  }

  /** Resolves with the port that is listened on. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        // Errors of a listening server (too many open files) must not end the process; the next accept may work.
        this.#server.on('error', () => undefined);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  renew(tls: TransportTls): void {
    renewListener(this.#server, tls);
  }

  /** Stops listening. Connections are their owners' business. */
  close(): Promise<void> {
    for (const stranger of [...this.#strangers]) stranger.drop();
    return new Promise((resolve) => {
      if (!this.#server.listening) return resolve();
      this.#server.close(() => resolve());
    });
  }

  #connected(socket: Socket): void {
    // The oldest gives way: an honest peer is done in milliseconds, whoever lingers is not one.
    if (this.#strangers.size >= HANDSHAKES_MAX_COUNT) this.#strangers.values().next().value?.drop();
    const stranger = new Stranger(this.#local, this.#handlers, socket, () => this.#strangers.delete(stranger));
    this.#strangers.add(stranger);
  }
}

class Stranger {
  readonly #local: LocalIdentity;
  readonly #handlers: IncomingHandlers;
  readonly #connection: Connection;
  readonly #remote: string;
  readonly #timer: { cancel(): void };
  #over: (() => void) | null;
  #hello: Hello | null = null;
  #helloBytes: Buffer = Buffer.alloc(0);
  #challengeBytes: Buffer = Buffer.alloc(0);

  // oxlint-disable-next-line max-params -- one caller, above
  constructor(local: LocalIdentity, handlers: IncomingHandlers, socket: Socket, onOver: () => void) {
    this.#local = local;
    this.#handlers = handlers;
    this.#over = onOver;
    this.#remote = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#timer = local.clock.setTimer(local.clock.nowMs() + HANDSHAKE_TIMEOUT_MS, () =>
      this.#connection.close('silent'),
    );
    this.#connection = new Connection(socket, local.clock, {
      onFrame: (type, payload) => this.#onFrame(type, payload),
      onClosed: (cause) => {
        this.#finish();
        if (cause === 'protocol') local.refusals.note('PROTOCOL', 'in', { peer: socket.remoteAddress ?? 'a stranger' });
      },
    });
  }

  drop(): void {
    this.#connection.close('local');
  }

  #finish(): void {
    this.#timer.cancel();
    this.#over?.();
    this.#over = null;
  }

  #refuse(code: RefusalCode, peer: ReplicaId, detail: string): void {
    this.#local.refusals.note(code, 'in', { peer, detail: `${detail} (${this.#remote})` });
    this.#connection.send(FrameType.refuse, (frame) => frame.text(code));
    this.#connection.end();
  }

  #onFrame(type: number, payload: Buffer): void {
    if (type === FrameType.hello && this.#hello === null) this.#challenge(payload);
    else if (type === FrameType.auth && this.#hello !== null) this.#verify(this.#hello, payload);
    else throw new FormatError(`frame ${type} during the handshake`);
  }

  #challenge(payload: Buffer): void {
    const hello = readHello(payload);
    const { clusterName, clusterId, replica, random } = this.#local;
    const version = commonVersion(hello);
    if (version === null) {
      return this.#refuse('VERSION', hello.from, `it speaks ${hello.versionMin} to ${hello.versionMax}`);
    }
    if (hello.clusterName !== clusterName) return this.#refuse('WRONG_CLUSTER', hello.from, hello.clusterName);
    if (hello.clusterId !== '' && clusterId !== '' && hello.clusterId !== clusterId) {
      return this.#refuse('WRONG_CLUSTER', hello.from, `cluster id ${hello.clusterId}`);
    }
    if (hello.to !== '' && hello.to !== replica) return this.#refuse('WRONG_PEER', hello.from, `looks for ${hello.to}`);
    this.#hello = hello;
    this.#helloBytes = Buffer.from(payload);
    const writer = new ByteWriter(256);
    const nonce = random.bytes(NONCE_BYTES);
    writeChallenge(writer, { version, clusterName, clusterId, replica, features: FEATURES, nonce });
    this.#challengeBytes = writer.done();
    this.#connection.send(FrameType.challenge, (frame) => frame.raw(this.#challengeBytes));
  }

  #verify(hello: Hello, proof: Buffer): void {
    const { secret, tls, replica } = this.#local;
    if (!proofMatches(prove(secret, 'client', this.#helloBytes, this.#challengeBytes), proof)) {
      return this.#refuse('BAD_SECRET', hello.from, 'it cannot prove that it knows the secret');
    }
    if (tls && !certificateNames(this.#connection.socket, replicaName(hello.from))) {
      return this.#refuse('BAD_CERTIFICATE', hello.from, `its certificate does not name ${replicaName(hello.from)}`);
    }
    if (hello.from === replica && hello.channel !== 'formation') {
      return this.#refuse('IDENTITY_IN_USE', hello.from, 'it is who we are');
    }
    const refused = this.#handlers.admit(hello);
    if (refused !== null) return this.#refuse(refused, hello.from, hello.channel);
    this.#finish();
    const ready = prove(secret, 'server', this.#helloBytes, this.#challengeBytes);
    this.#connection.send(FrameType.ready, (frame) => frame.raw(ready));
    this.#handlers.accepted(this.#connection, hello);
  }
}
