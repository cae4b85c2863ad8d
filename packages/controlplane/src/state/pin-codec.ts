/**
 * `pins.put` as bytes: the one command that is not JSON text, because a busy cluster commits tens of thousands of pins a second.
 *
 * Two bytes that say what it is and its version, two of nothing, then six little-endian words per pin: hash of the pool's name,
 * four words of the key, slot of the backend. Total when reading.
 */
import type { PinsPut } from './commands.ts';
import { PINS_PUT_MAX_COUNT } from './limits.ts';

/** Never `{`, with which every other command begins. */
export const PINS_PUT_BYTE = 0x50;
const VERSION = 1;
const HEAD_BYTES = 4;
const WORD_BYTES = 4;

/** Words of one pin in `PinsPut.items`. */
export const PIN_WORDS = 6;

export function encodePinsPut({ items }: PinsPut): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + items.length * WORD_BYTES);
  bytes[0] = PINS_PUT_BYTE;
  bytes[1] = VERSION;
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < items.length; at++) view.setInt32(HEAD_BYTES + at * WORD_BYTES, items[at] ?? 0, true);
  return bytes;
}

/** A text where the bytes are no such command. */
export function decodePinsPut(bytes: Uint8Array): PinsPut | string {
  if (bytes[1] !== VERSION) return 'pins of a version that this one does not know';
  const body = bytes.length - HEAD_BYTES;
  const count = body / (PIN_WORDS * WORD_BYTES);
  if (body < 0 || !Number.isInteger(count)) return 'the pins are cut short';
  if (count > PINS_PUT_MAX_COUNT) return `more than ${PINS_PUT_MAX_COUNT} pins at once`;
  const view = new DataView(bytes.buffer, bytes.byteOffset + HEAD_BYTES, body);
  const items = new Int32Array(count * PIN_WORDS);
  for (let at = 0; at < items.length; at++) items[at] = view.getInt32(at * WORD_BYTES, true);
  return { v: 1, type: 'pins.put', items };
}
