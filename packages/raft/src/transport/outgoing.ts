/**
 * Dials a peer and proves both identities. Resolves with a connection on which the channel's own frames may follow.
 */
import { ByteReader, ByteWriter, FormatError } from '../codec/bytes.ts';
import { replicaName } from '../core/conf-change.ts';
import type { ReplicaId } from '../core/types.ts';
import { Connection } from './connection.ts';
import type { CloseCause } from './connection.ts';
import { FrameType } from './framing.ts';
import { NONCE_BYTES, proofMatches, prove, readChallenge, VERSION_MAX, VERSION_MIN, writeHello } from './handshake.ts';
import type { Challenge, Channel } from './handshake.ts';
import { FEATURES } from './identity.ts';
import type { LocalIdentity } from './identity.ts';
import { DIAL_TIMEOUT_MS } from './limits.ts';
import type { RefusalCode } from './options.ts';
import { isRefusalCode } from './refusals.ts';
import { certificateNames, dial, isCertificateFault } from './tls.ts';

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly channel: Channel;
  /** '' where any replica at this address will do. */
  readonly expected: ReplicaId | '';
}

/** Why there is no connection: the peer (or we) refused, or the network did. */
export class DialError extends Error {
  readonly refused: RefusalCode | null;
  readonly how: CloseCause;

  constructor(refused: RefusalCode | null, how: CloseCause, detail = '') {
    super(`${refused ?? how}${detail === '' ? '' : `: ${detail}`}`);
    this.name = 'DialError';
    this.refused = refused;
    this.how = how;
  }
}

export interface Dialled {
  readonly connection: Connection;
  readonly peer: ReplicaId;
}

/** Starts to dial; `cancel` gives up. */
export function dialPeer(
  local: LocalIdentity,
  target: DialTarget,
): { readonly result: Promise<Dialled>; readonly cancel: () => void } {
  const attempt = new Attempt(local, target);
  return { result: attempt.result, cancel: () => attempt.fail(null, 'local') };
}

class Attempt {
  readonly result: Promise<Dialled>;
  readonly #local: LocalIdentity;
  readonly #target: DialTarget;
  readonly #connection: Connection;
  readonly #timer: { cancel(): void };
  readonly #hello: Buffer;
  #challengeBytes: Buffer | null = null;
  #challenge: Challenge | null = null;
  #resolve: (dialled: Dialled) => void = () => undefined;
  #reject: (error: DialError) => void = () => undefined;
  #settled = false;

  constructor(local: LocalIdentity, target: DialTarget) {
    this.#local = local;
    this.#target = target;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { clock, random } = local;
    const writer = new ByteWriter(256);
    writeHello(writer, {
      versionMin: VERSION_MIN,
      versionMax: VERSION_MAX,
      channel: target.channel,
      clusterName: local.clusterName,
      clusterId: local.clusterId,
      from: local.replica,
      to: target.expected,
      session: local.session,
      features: FEATURES,
      nonce: random.bytes(NONCE_BYTES),
      confIndex: local.confIndex,
      ...local.reach,
    });
    this.#hello = writer.done();
    const socket = dial(target, local.tls, () => {
      this.#connection.send(FrameType.hello, (frame) => frame.raw(this.#hello));
    });
    // Before the connection's own handler, which knows of sockets only.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? '';
      if (local.tls && isCertificateFault(code)) this.fail('BAD_CERTIFICATE', 'local', code);
    });
    this.#connection = new Connection(socket, clock, {
      onFrame: (type, payload) => this.#onFrame(type, payload),
      onClosed: (cause) => this.#settleClosed(cause),
    });
    this.#timer = clock.setTimer(clock.nowMs() + DIAL_TIMEOUT_MS, () => this.fail(null, 'unreachable'));
  }

  fail(refused: RefusalCode | null, cause: CloseCause, detail = ''): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#timer.cancel();
    this.#connection.close('local');
    this.#reject(new DialError(refused, cause, detail));
  }

  #settleClosed(cause: CloseCause): void {
    this.fail(null, cause);
  }

  #onFrame(type: number, payload: Buffer): void {
    if (type === FrameType.refuse) {
      const reader = new ByteReader(payload);
      const code = reader.text();
      this.fail(isRefusalCode(code) ? code : 'PROTOCOL', 'local', 'the peer says so');
    } else if (type === FrameType.challenge && this.#challenge === null) {
      this.#answer(payload);
    } else if (type === FrameType.ready && this.#challenge !== null && this.#challengeBytes !== null) {
      this.#finish(payload, this.#challenge, this.#challengeBytes);
    } else {
      throw new FormatError(`frame ${type} during the handshake`);
    }
  }

  #answer(payload: Buffer): void {
    const challenge = readChallenge(payload);
    const { clusterName, clusterId, secret, tls } = this.#local;
    const { expected } = this.#target;
    if (challenge.clusterName !== clusterName) return this.fail('WRONG_CLUSTER', 'local', challenge.clusterName);
    if (clusterId !== '' && challenge.clusterId !== '' && challenge.clusterId !== clusterId) {
      return this.fail('WRONG_CLUSTER', 'local', `cluster id ${challenge.clusterId}`);
    }
    if (expected !== '' && challenge.replica !== expected) return this.fail('WRONG_PEER', 'local', challenge.replica);
    if (tls && !certificateNames(this.#connection.socket, replicaName(challenge.replica))) {
      return this.fail('BAD_CERTIFICATE', 'local', `its certificate does not name ${replicaName(challenge.replica)}`);
    }
    this.#challenge = challenge;
    this.#challengeBytes = Buffer.from(payload);
    const proof = prove(secret, 'client', this.#hello, this.#challengeBytes);
    this.#connection.send(FrameType.auth, (frame) => frame.raw(proof));
  }

  #finish(proof: Buffer, challenge: Challenge, challengeBytes: Buffer): void {
    if (!proofMatches(prove(this.#local.secret, 'server', this.#hello, challengeBytes), proof)) {
      return this.fail('BAD_SECRET', 'local', 'it cannot prove that it knows the secret');
    }
    if (this.#settled) return;
    this.#settled = true;
    this.#timer.cancel();
    // Until the owner takes over, a close must not be lost.
    this.#connection.handlers = { onFrame: () => undefined, onClosed: () => undefined };
    this.#resolve({ connection: this.#connection, peer: challenge.replica });
  }
}
