/**
 * Commands as bytes: UTF-8 JSON text, but for pins, which are many and have a form of their own. Pure, and total when reading.
 *
 * JSON rather than msgpack: the log stays readable with any tool, the parser is the engine's own and safe against hostile
 * depth, types and prototypes, and numbers and texts come back as they were. Its first byte is always `{`.
 */
import { checkShape, Faults } from '@flotilla/shared/schema';
import type { FaultDetail } from '@flotilla/shared';
import { COMMAND_SCHEMAS } from './command-schema.ts';
import type { Command } from './commands.ts';
import { COMMAND_DEPTH_MAX_COUNT } from './limits.ts';
import { decodeBackendSet } from './numbers-codec.ts';
import { decodePinsPut, encodePinsPut, PINS_PUT_BYTE } from './pin-codec.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

const SCHEMAS = new Map(Object.entries(COMMAND_SCHEMAS));

export type Decoded =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly message: string; readonly details: readonly FaultDetail[] };

export function encodeCommand(command: Command): Uint8Array {
  return command.type === 'pins.put' ? encodePinsPut(command) : Buffer.from(JSON.stringify(command));
}

export function decodeCommand(bytes: Uint8Array): Decoded {
  if (bytes[0] === PINS_PUT_BYTE) {
    const command = decodePinsPut(bytes);
    return typeof command === 'string' ? { ok: false, message: command, details: [] } : { ok: true, command };
  }
  const frequent = decodeBackendSet(bytes);
  if (frequent !== null) return { ok: true, command: frequent };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return { ok: false, message: 'the command is not JSON text', details: [] };
  }
  const type = typeof value === 'object' && value !== null ? (value as { readonly type?: unknown }).type : undefined;
  const schema = typeof type === 'string' ? SCHEMAS.get(type) : undefined;
  if (schema === undefined) {
    return { ok: false, message: 'the command is of a type that this version does not know', details: [] };
  }
  if (!within(value, COMMAND_DEPTH_MAX_COUNT)) {
    return { ok: false, message: `the command is nested deeper than ${COMMAND_DEPTH_MAX_COUNT} levels`, details: [] };
  }
  const faults = new Faults();
  const command = checkShape(schema, value, faults);
  if (faults.any)
    return { ok: false, message: `the command "${String(type)}" has wrong fields`, details: faults.all() };
  return { ok: true, command: command as Command };
}

function within(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  if (Array.isArray(value)) return value.every((item) => within(item, levels - 1));
  for (const key in value) {
    if (!within((value as Record<string, unknown>)[key], levels - 1)) return false;
  }
  return true;
}
