/**
 * What each byte may be in HTTP/1.1, as one table: RFC 9110 §5.6.2 (token), §5.5 (field value), RFC 9112 §3.2 (target).
 *
 * Stricter than the URI grammar nowhere that real clients need, laxer nowhere that parsers have disagreed.
 */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const SLASH = 0x2f;
export const QUESTION = 0x3f;
export const DEL = 0x7f;

/** Bits of {@link BYTE_CLASS}. */
export const TOKEN = 1;
export const VALUE = 2;
export const TARGET = 4;
export const DIGIT = 8;
export const HOST = 16;

/** Indexed by byte. Reads beyond it give undefined, and `undefined & bit` is 0: such a character is nothing valid. */
export const BYTE_CLASS: Uint8Array = new Uint8Array(256);
/** Hexadecimal value by byte, 255 for what is no such digit. */
export const HEX_VALUE: Uint8Array = new Uint8Array(256).fill(255);

function mark(characters: string, bit: number): void {
  for (const character of characters) {
    const code = character.charCodeAt(0);
    BYTE_CLASS[code] = (BYTE_CLASS[code] as number) | bit;
  }
}

const DIGITS = '0123456789';
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
mark(`!#$%&'*+-.^_\`|~${DIGITS}${LETTERS}`, TOKEN);
mark(DIGITS, DIGIT);
// reg-name of RFC 3986 without the comma, which would let two hosts look like one; brackets are the caller's business.
mark(`-._~%!$&'()*+;=${DIGITS}${LETTERS}`, HOST);
for (let code = 0; code < 256; code++) {
  if (code === HTAB || (code >= 0x20 && code !== 0x7f)) BYTE_CLASS[code] = (BYTE_CLASS[code] as number) | VALUE;
  // No fragment: it is the client's own business and never part of a request.
  if (code > 0x20 && code < 0x7f && code !== 0x23) BYTE_CLASS[code] = (BYTE_CLASS[code] as number) | TARGET;
}
for (let value = 0; value < 16; value++) {
  HEX_VALUE['0123456789abcdef'.charCodeAt(value)] = value;
  HEX_VALUE['0123456789ABCDEF'.charCodeAt(value)] = value;
}

/** Whether `text` from `start` to `end` is `lower` (which is lower case ASCII), letter case aside. */
export function equalsIgnoreCase(text: string, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let at = 0; at < lower.length; at++) {
    let code = text.charCodeAt(start + at);
    if (code >= 0x41 && code <= 0x5a) code |= 0x20;
    if (code !== lower.charCodeAt(at)) return false;
  }
  return true;
}
