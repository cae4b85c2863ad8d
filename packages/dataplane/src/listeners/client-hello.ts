/**
 * Reads the server name out of a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3) without ending the connection: bounded and strict.
 *
 * Pure: bytes so far in, a verdict out. It checks the forms that it walks over; whether the rest is sound is the backend's business.
 */
import { CLIENT_HELLO_MAX_BYTES } from './limits.ts';

export type ClientHelloResult =
  | { readonly type: 'more' }
  | { readonly type: 'error'; readonly reason: string }
  /** '' where the client names no server. Lower case. */
  | { readonly type: 'hello'; readonly serverName: string };

const RECORD_HANDSHAKE = 22;
/** Of SSL 3 and every TLS: the first byte of the version. */
const RECORD_VERSION_MAJOR = 3;
const RECORD_HEADER_BYTES = 5;
const RECORD_MAX_BYTES = 16_384;
const CLIENT_HELLO = 1;
const HANDSHAKE_HEADER_BYTES = 4;
const EXTENSION_SERVER_NAME = 0;
const NAME_TYPE_HOST = 0;
const HOST_MAX_BYTES = 255;

const MALFORMED: ClientHelloResult = { type: 'error', reason: 'client-hello-malformed' };
const TOO_LARGE: ClientHelloResult = { type: 'error', reason: 'client-hello-too-large' };
const MORE: ClientHelloResult = { type: 'more' };

export function parseClientHello(bytes: Buffer): ClientHelloResult {
  const handshake = handshakeBytes(bytes);
  if (!Buffer.isBuffer(handshake)) return handshake;
  const cursor = new Cursor(handshake, HANDSHAKE_HEADER_BYTES);
  // Version and random, then session id, cipher suites and compression methods: each a vector with its length in front.
  cursor.skip(2 + 32);
  cursor.skip(cursor.uint(1));
  cursor.skip(cursor.uint(2));
  cursor.skip(cursor.uint(1));
  if (cursor.failed) return MALFORMED;
  if (cursor.left === 0) return { type: 'hello', serverName: '' };
  if (cursor.uint(2) !== cursor.left) return MALFORMED;
  while (!cursor.failed && cursor.left > 0) {
    const type = cursor.uint(2);
    const extension = cursor.take(cursor.uint(2));
    if (extension !== null && type === EXTENSION_SERVER_NAME) return serverName(extension);
  }
  return cursor.failed ? MALFORMED : { type: 'hello', serverName: '' };
}

/** The ClientHello message alone, put together from its records. */
function handshakeBytes(bytes: Buffer): Buffer | ClientHelloResult {
  const parts: Buffer[] = [];
  let haveBytes = 0;
  /** Of the whole message; null until its own header is there. */
  let messageBytes: number | null = null;
  for (let at = 0; ; ) {
    const contentBytes = recordContentBytes(bytes, at);
    if (contentBytes === null) return MALFORMED;
    if (contentBytes === 0) break;
    const start = at + RECORD_HEADER_BYTES;
    const part = bytes.subarray(start, start + contentBytes);
    if (at === 0 && part.length > 0 && part[0] !== CLIENT_HELLO) return MALFORMED;
    parts.push(part);
    haveBytes += part.length;
    if (messageBytes === null && haveBytes >= HANDSHAKE_HEADER_BYTES) {
      messageBytes = HANDSHAKE_HEADER_BYTES + Buffer.concat(parts).readUIntBE(1, 3);
      if (messageBytes > CLIENT_HELLO_MAX_BYTES) return TOO_LARGE;
    }
    if (messageBytes !== null && haveBytes >= messageBytes) return Buffer.concat(parts, messageBytes);
    if (part.length < contentBytes) break;
    at = start + contentBytes;
  }
  // Many tiny records: their headers count too.
  return bytes.length > CLIENT_HELLO_MAX_BYTES ? TOO_LARGE : MORE;
}

/** What the record at `at` holds by its header; 0 while that is not whole; null where it is no record of a handshake, said at once. */
function recordContentBytes(bytes: Buffer, at: number): number | null {
  if (bytes.length > at && bytes[at] !== RECORD_HANDSHAKE) return null;
  if (bytes.length > at + 1 && bytes[at + 1] !== RECORD_VERSION_MAJOR) return null;
  if (bytes.length < at + RECORD_HEADER_BYTES) return 0;
  const contentBytes = bytes.readUInt16BE(at + 3);
  return contentBytes === 0 || contentBytes > RECORD_MAX_BYTES ? null : contentBytes;
}

function serverName(extension: Buffer): ClientHelloResult {
  const cursor = new Cursor(extension, 0);
  if (cursor.uint(2) !== cursor.left) return MALFORMED;
  while (!cursor.failed && cursor.left > 0) {
    const type = cursor.uint(1);
    const name = cursor.take(cursor.uint(2));
    if (name === null) return MALFORMED;
    if (type !== NAME_TYPE_HOST) continue;
    if (name.length === 0 || name.length > HOST_MAX_BYTES || !name.every(isHostByte)) return MALFORMED;
    return { type: 'hello', serverName: name.toString('latin1').toLowerCase() };
  }
  return cursor.failed ? MALFORMED : { type: 'hello', serverName: '' };
}

/** Letters, digits, hyphen, dot and underscore: what host names are made of in practice. */
function isHostByte(byte: number): boolean {
  const lower = byte | 0x20;
  return (
    (lower >= 0x61 && lower <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x5f
  );
}

/** Walks bytes and remembers whether it ever stepped past the end, so that callers check once. */
class Cursor {
  readonly #bytes: Buffer;
  #at: number;
  failed = false;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  uint(size: 1 | 2): number {
    const bytes = this.take(size);
    return bytes === null ? 0 : bytes.readUIntBE(0, size);
  }

  skip(count: number): void {
    this.take(count);
  }

  take(count: number): Buffer | null {
    if (this.failed || count > this.left) {
      this.failed = true;
      return null;
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
