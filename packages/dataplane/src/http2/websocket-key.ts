/**
 * The handshake of a WebSocket over HTTP/1.1 (RFC 6455 §4), for the side of it that RFC 8441 leaves to us: over HTTP/2 there is no
 * key and no proof.
 */
import { createHash, randomBytes } from 'node:crypto';

const SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY_BYTES = 16;

export function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

export function proofOf(key: string): string {
  return createHash('sha1')
    .update(key + SUFFIX)
    .digest('base64');
}

export function acceptsKey(key: string, proof: string): boolean {
  return key !== '' && proofOf(key) === proof;
}
