/**
 * Who is there: three small frames each way before anything else is believed.
 *
 *   client → hello      versions, channel, cluster, who I am, whom I expect, nonce, which membership I know, where I am
 *   server → challenge  version, cluster, who I am, nonce           | refuse code
 *   client → auth       HMAC(secret, "client" + hello + challenge)
 *   server → ready      HMAC(secret, "server" + hello + challenge)  | refuse code
 *
 * Both sides prove that they know the secret, over the whole transcript with fresh nonces; the client first, so that a
 * stranger gets nothing to guess at. Encodings and proofs only; sockets are elsewhere.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ByteReader, FormatError } from '../codec/bytes.ts';
import type { ByteWriter } from '../codec/bytes.ts';
import type { ReplicaId } from '../core/types.ts';

export const VERSION_MIN = 1;
export const VERSION_MAX = 1;
export const NONCE_BYTES = 32;
export const SESSION_BYTES = 16;

/** What a connection is for. */
export const CHANNELS = ['control', 'bulk', 'snapshot', 'formation'] as const;
export type Channel = (typeof CHANNELS)[number];

export interface Hello {
  readonly versionMin: number;
  readonly versionMax: number;
  readonly channel: Channel;
  readonly clusterName: string;
  /** '' before the cluster is formed. */
  readonly clusterId: string;
  readonly from: ReplicaId;
  /** '' where any replica at this address will do. */
  readonly to: ReplicaId | '';
  /** Drawn by the process: tells a reconnect from a second process with the same identity. */
  readonly session: string;
  readonly features: number;
  readonly nonce: Uint8Array;
  /** Log index of the newest membership that the sender has in force. */
  readonly confIndex: number;
  /** Where the sender can be reached: one that we do not know yet could not be answered otherwise. Port 0: nowhere. */
  readonly host: string;
  readonly port: number;
}

export interface Challenge {
  readonly version: number;
  readonly clusterName: string;
  readonly clusterId: string;
  readonly replica: ReplicaId;
  readonly features: number;
  readonly nonce: Uint8Array;
}

export function writeHello(writer: ByteWriter, hello: Hello): void {
  writer.u8(hello.versionMin);
  writer.u8(hello.versionMax);
  writer.u8(CHANNELS.indexOf(hello.channel));
  writer.text(hello.clusterName);
  writer.text(hello.clusterId);
  writer.text(hello.from);
  writer.text(hello.to);
  writer.text(hello.session);
  writer.u32(hello.features);
  writer.raw(hello.nonce);
  writer.u53(hello.confIndex);
  writer.text(hello.host);
  writer.u32(hello.port);
}

/** Later versions may append fields; what is here stays in place, so that versions can be compared at all. */
export function readHello(payload: Buffer): Hello {
  const reader = new ByteReader(payload);
  const versionMin = reader.u8();
  const versionMax = reader.u8();
  const channel = CHANNELS[reader.u8()];
  if (channel === undefined) throw new FormatError('unknown channel');
  const clusterName = reader.text();
  const clusterId = reader.text();
  const from = reader.text();
  const to = reader.text();
  const session = reader.text();
  const features = reader.u32();
  const nonce = reader.raw(NONCE_BYTES);
  const hello = { versionMin, versionMax, channel, clusterName, clusterId, from, to, session, features, nonce };
  return { ...hello, confIndex: reader.u53(), host: reader.text(), port: reader.u32() };
}

export function writeChallenge(writer: ByteWriter, challenge: Challenge): void {
  writer.u8(challenge.version);
  writer.text(challenge.clusterName);
  writer.text(challenge.clusterId);
  writer.text(challenge.replica);
  writer.u32(challenge.features);
  writer.raw(challenge.nonce);
}

export function readChallenge(payload: Buffer): Challenge {
  const reader = new ByteReader(payload);
  const version = reader.u8();
  const clusterName = reader.text();
  const clusterId = reader.text();
  const replica = reader.text();
  const features = reader.u32();
  return { version, clusterName, clusterId, replica, features, nonce: reader.raw(NONCE_BYTES) };
}

/** The highest version that both speak, or null. */
export function commonVersion(hello: Hello): number | null {
  const version = Math.min(hello.versionMax, VERSION_MAX);
  return version >= Math.max(hello.versionMin, VERSION_MIN) ? version : null;
}

export function prove(secret: string, side: 'client' | 'server', hello: Buffer, challenge: Buffer): Buffer {
  const hmac = createHmac('sha256', secret);
  hmac.update(`flotilla raft ${side} ${hello.length} ${challenge.length}\n`);
  hmac.update(hello);
  hmac.update(challenge);
  return hmac.digest();
}

export function proofMatches(expected: Buffer, given: Buffer): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given);
}
