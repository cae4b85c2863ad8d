/**
 * The affinity cookie: names a backend, says until when, and is signed, so that only this cluster can have made it. Any node
 * reads it without asking anybody; a forged, foreign or expired one is as good as none.
 *
 * `<backend id>.<expiry in seconds, base 36>.<HMAC-SHA-256, 128 bits, base64url>`; the pool's name is signed too.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const MAC_BYTES = 16;
const SECOND_MS = 1_000;
/** Verified values that are remembered, so that a busy session costs one HMAC, not one per request. */
const VERIFIED_MAX_COUNT = 8_192;

export interface CookieScope {
  readonly key: string;
  readonly pool: string;
}

export interface CookieContent {
  readonly backendId: string;
  /** Log time. */
  readonly expiresMs: number;
}

export function encodeCookie(scope: CookieScope, content: CookieContent): string {
  const expiry = Math.ceil(content.expiresMs / SECOND_MS).toString(36);
  return `${content.backendId}.${expiry}.${mac(scope, content.backendId, expiry).toString('base64url')}`;
}

/** Null for whatever this cluster did not make for this pool. Expiry is the caller's question. */
export function decodeCookie(scope: CookieScope, value: string): CookieContent | null {
  const [backendId = '', expiry = '', signature = '', ...rest] = value.split('.');
  if (rest.length > 0 || backendId === '' || !/^[0-9a-z]{1,10}$/.test(expiry)) return null;
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== MAC_BYTES || given.toString('base64url') !== signature) return null;
  if (!timingSafeEqual(given, mac(scope, backendId, expiry))) return null;
  return { backendId, expiresMs: Number.parseInt(expiry, 36) * SECOND_MS };
}

function mac({ key, pool }: CookieScope, backendId: string, expiry: string): Buffer {
  return createHmac('sha256', key).update(`${pool}\0${backendId}\0${expiry}`).digest().subarray(0, MAC_BYTES);
}

/** Remembers what was verified; forgets everything when the key changes or it gets too much. */
export class CookieReader {
  #key = '';
  readonly #verified = new Map<string, CookieContent>();

  read(scope: CookieScope, value: string): CookieContent | null {
    if (scope.key !== this.#key) {
      this.#verified.clear();
      this.#key = scope.key;
    }
    const memo = `${scope.pool} ${value}`;
    const known = this.#verified.get(memo);
    if (known !== undefined) return known;
    const content = decodeCookie(scope, value);
    // Only what is genuine: a flood of forgeries must not push out what is.
    if (content === null) return null;
    if (this.#verified.size >= VERIFIED_MAX_COUNT) this.#verified.clear();
    this.#verified.set(memo, content);
    return content;
  }
}
