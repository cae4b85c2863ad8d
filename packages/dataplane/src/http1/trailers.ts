/**
 * Trailer fields: checked like any fields, passed on as trailers, never merged into the head (RFC 9110 §6.5.1).
 */
import { copyFields, fieldMask, HOP_BY_HOP } from './copy-fields.ts';
import { MessageHead } from './head.ts';
import { FIELD } from './known-fields.ts';
import { DONE, parseFields } from './parse-fields.ts';

/** What must not come after the body: routing, and whatever says where a request came from. Framing there is a fault. */
const FORBIDDEN = fieldMask(
  ...HOP_BY_HOP,
  FIELD.host,
  FIELD.trailer,
  FIELD.expect,
  FIELD.via,
  FIELD.maxForwards,
  FIELD.requestId,
  FIELD.forwardedFor,
  FIELD.forwardedProto,
  FIELD.forwardedHost,
  FIELD.forwardedOther,
  FIELD.cookie,
);
const FORBIDDEN_NAMES = ['authorization', 'content-encoding', 'content-type', 'content-range', 'set-cookie'];

/**
 * The trailers to pass on with the empty line that ends the message; null where they are malformed. `dropped`: names that the
 * head's Connection field lists.
 */
export function forwardableTrailers(text: string, dropped: readonly string[] | null): string | null {
  if (text === '') return '\r\n';
  const lines = new MessageHead();
  lines.feedText(text);
  if (parseFields(lines, false) !== DONE) return null;
  // A second framing, behind the body that the first one ended: readers have taken it for that of the next message.
  if (lines.indexOf(FIELD.contentLength) >= 0 || lines.indexOf(FIELD.transferEncoding) >= 0) return null;
  const names = dropped === null ? FORBIDDEN_NAMES : [...FORBIDDEN_NAMES, ...dropped];
  return `${copyFields(lines, 0, FORBIDDEN, names)}\r\n`;
}
