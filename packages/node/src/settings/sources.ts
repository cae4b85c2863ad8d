/**
 * Where settings come from: `flotilla.yaml`, then the environment, then flags; later wins. Values are kept as text with
 * the name under which the user gave them, so that every fault can say where to correct it.
 */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { errorText } from '@flotilla/shared';
import type { FaultDetail } from '@flotilla/shared';
import { environmentName, flagName, SETTING_KEYS } from './definitions.ts';
import type { SettingKey } from './definitions.ts';

const DEFAULT_FILE = 'flotilla.yaml';

export interface GivenSetting {
  readonly text: string;
  /** Where it was given: `--raft-listen`, `FLOTILLA_RAFT_LISTEN` or `raftListen in flotilla.yaml`. */
  readonly origin: string;
}

export type GivenSettings = Partial<Record<SettingKey, GivenSetting>>;

export interface SettingSources {
  /** Path of `--config`; without it `flotilla.yaml` is read where it exists. */
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags: Partial<Record<SettingKey, string | boolean>>;
}

/** Collects all three sources; what cannot be read becomes a fault. */
export function collectSettings(sources: SettingSources, faults: FaultDetail[]): GivenSettings {
  const given: GivenSettings = readFile(sources.file, faults);
  for (const key of SETTING_KEYS) {
    const name = environmentName(key);
    const text = sources.environment[name];
    if (text !== undefined && text !== '') given[key] = { text, origin: name };
  }
  for (const key of SETTING_KEYS) {
    const value = sources.flags[key];
    if (value !== undefined) given[key] = { text: String(value), origin: flagName(key) };
  }
  return given;
}

function readFile(path: string | undefined, faults: FaultDetail[]): GivenSettings {
  const file = path ?? DEFAULT_FILE;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (path !== undefined) faults.push({ path: file, message: `cannot be read: ${errorText(error)}` });
    return {};
  }
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    for (const error of document.errors) faults.push({ path: file, message: error.message });
    return {};
  }
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    faults.push({ path: file, message: 'must be a mapping of setting names to values' });
    return {};
  }
  const given: GivenSettings = {};
  for (const [key, value] of Object.entries(content)) {
    const origin = `${key} in ${file}`;
    if (!isSettingKey(key)) faults.push({ path: origin, message: `unknown setting${suggestion(key)}` });
    else if (value !== null) given[key] = { text: flatten(value), origin };
  }
  return given;
}

const isSettingKey = (key: string): key is SettingKey => (SETTING_KEYS as readonly string[]).includes(key);

function suggestion(key: string): string {
  const plain = key.replaceAll(/[-_]/g, '').toLowerCase();
  const meant = SETTING_KEYS.find((known) => known.toLowerCase() === plain);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

/** Lists and mappings are allowed in the file: `peers: {n1: host:7500}` and `apiTokens: [admin:T]` become the text form. */
function flatten(value: unknown): string {
  if (Array.isArray(value)) return value.map(flatten).join(',');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, item]) => `${key}=${flatten(item)}`)
      .join(',');
  }
  return String(value);
}
