/**
 * Field lines from one side to the other: kept lines go on byte for byte and in order, as runs of the original text.
 *
 * Each line was checked when it was parsed, so a run of kept lines is what writing them one by one would give. Lines in an
 * unusual form (no space after the colon, several, some at the end) are written anew.
 */
import type { MessageHead } from './head.ts';
import { FIELD } from './known-fields.ts';

const ID_COUNT = 32;

export function fieldMask(...ids: readonly number[]): Uint8Array {
  const mask = new Uint8Array(ID_COUNT);
  for (const id of ids) mask[id] = 1;
  return mask;
}

/** RFC 9110 §7.6.1, with those that were hop-by-hop before there was the Connection field. */
export const HOP_BY_HOP = [
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.te,
  FIELD.transferEncoding,
  FIELD.upgrade,
  FIELD.http2Settings,
] as const;

/**
 * Names that Connection cannot take away, because without them the message would be another one: naming them is how
 * clients have stripped what a proxy or a backend relies on.
 */
const NOT_NOMINATED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'authorization',
  'cookie',
  'set-cookie',
  'date',
  'via',
  'forwarded',
  'x-request-id',
]);

/** Names to drop beside the mask: those that Connection lists and those that the route removes. */
export function droppedNames(head: MessageHead, routeDrops: readonly string[]): readonly string[] {
  const listed = head.connectionNames;
  if (listed === null) return routeDrops;
  const nominated = listed.filter((name) => !NOT_NOMINATED.has(name) && !name.startsWith('x-forwarded-'));
  return nominated.length === 0 ? routeDrops : [...routeDrops, ...nominated];
}

/** The text of `head.raw` from `from` to the end of the last field, without what `mask` or `names` drops. */
export function copyFields(head: MessageHead, from: number, mask: Uint8Array, names: readonly string[]): string {
  const { raw, ids, nameStart, canonical, fieldCount } = head;
  let out = '';
  let runStart = from;
  for (let index = 0; index < fieldCount; index++) {
    const dropped = mask[ids[index] as number] === 1 || (names.length > 0 && isNamedIn(head, index, names));
    if (!dropped && canonical[index] === 1) continue;
    const lineStart = nameStart[index] as number;
    if (lineStart > runStart) out += raw.slice(runStart, lineStart);
    // The next line begins where this one ends; after the last stands the empty line.
    runStart = nameStart[index + 1] as number;
    if (!dropped) out += `${head.name(index)}: ${head.value(index)}\r\n`;
  }
  if (head.fieldsEnd > runStart) out += raw.slice(runStart, head.fieldsEnd);
  return out;
}

function isNamedIn(head: MessageHead, index: number, lowerNames: readonly string[]): boolean {
  for (const name of lowerNames) if (head.isNamed(index, name)) return true;
  return false;
}
