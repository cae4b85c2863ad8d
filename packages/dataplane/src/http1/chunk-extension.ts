/**
 * The grammar of chunk extensions (RFC 9112 §7.1.1), one byte at a time: `;name`, `;name=token` or `;name="quoted"`, any number of
 * them. Without the blanks that the RFC calls bad. They are read to be dropped, and still exactly: a reader that skips whatever
 * stands between `;` and CR agrees with others on well-formed chunks only.
 */
import { BYTE_CLASS, SEMICOLON, TOKEN, VALUE } from './bytes.ts';

const QUOTE = 0x22;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

const STATE = { nameFirst: 0, name: 1, valueFirst: 2, value: 3, quoted: 4, escaped: 5, unquoted: 6 } as const;

/** Where an extension begins, after its `;`. */
export const EXTENSION_START: number = STATE.nameFirst;
export const EXTENSION_FAULT = -1;

/** The state after one more byte, {@link EXTENSION_FAULT} where the byte cannot stand here. */
export function nextExtensionState(state: number, code: number): number {
  const kind = BYTE_CLASS[code] as number;
  switch (state) {
    case STATE.nameFirst:
      return (kind & TOKEN) !== 0 ? STATE.name : EXTENSION_FAULT;
    case STATE.name:
      if ((kind & TOKEN) !== 0) return STATE.name;
      return code === EQUALS ? STATE.valueFirst : betweenExtensions(code);
    case STATE.valueFirst:
      if (code === QUOTE) return STATE.quoted;
      return (kind & TOKEN) !== 0 ? STATE.value : EXTENSION_FAULT;
    case STATE.value:
      return (kind & TOKEN) !== 0 ? STATE.value : betweenExtensions(code);
    case STATE.quoted:
      if (code === QUOTE) return STATE.unquoted;
      if (code === BACKSLASH) return STATE.escaped;
      return (kind & VALUE) !== 0 ? STATE.quoted : EXTENSION_FAULT;
    case STATE.escaped:
      return (kind & VALUE) !== 0 ? STATE.quoted : EXTENSION_FAULT;
    default:
      return betweenExtensions(code);
  }
}

/** Whether the line may end here. */
export function mayExtensionEnd(state: number): boolean {
  return state === STATE.name || state === STATE.value || state === STATE.unquoted;
}

function betweenExtensions(code: number): number {
  return code === SEMICOLON ? STATE.nameFirst : EXTENSION_FAULT;
}
