/**
 * The tokens of the API as users write them: `role:TOKEN`, `role@owner:TOKEN`, `role:sha256:HEX`, in a list or one a line of
 * a file. What leaves here are hashes.
 */
import { createHash } from 'node:crypto';
import type { SettingKey } from './definitions.ts';
import type { ApiToken, Role } from './types.ts';

const ITEM = /^(admin|operator|viewer)(?:@([a-z0-9][a-z0-9._-]{0,39}))?[:=](\S+)$/;
const HASHED = /^sha256:([0-9a-f]{64})$/;

/** Where the texts come from and where faults go. */
export interface TokenTexts {
  text(key: SettingKey): string | null;
  file(key: SettingKey): string | null;
  fault(key: SettingKey, message: string): void;
}

export interface ReadTokens {
  readonly kept: readonly ApiToken[];
  /** In the clear, for joining; null where there is none, or only its hash. */
  readonly firstAdmin: string | null;
}

export function readTokens(texts: TokenTexts): ReadTokens {
  const listed = (texts.text('apiTokens') ?? '').split(',');
  const lines = (texts.file('apiTokensFile') ?? '').split('\n').map((line) => line.replace(/^\s*#.*/, ''));
  const kept: ApiToken[] = [];
  let firstAdmin: string | null = null;
  const read = (key: SettingKey, what: string, item: string): void => {
    const match = ITEM.exec(item);
    // The text itself is not repeated: it is a secret.
    if (match === null)
      return texts.fault(key, `${what} is not admin:TOKEN, operator:TOKEN or viewer:TOKEN (admin@owner:TOKEN)`);
    const [, role, label = '', token = ''] = match;
    const hashed = HASHED.exec(token)?.[1];
    const hash = hashed ?? createHash('sha256').update(token).digest('hex');
    kept.push({ role: role as Role, hash, label });
    if (role === 'admin' && hashed === undefined) firstAdmin ??= token;
  };
  for (const [at, item] of numbered(listed)) read('apiTokens', `item ${at}`, item);
  for (const [at, item] of numbered(lines)) read('apiTokensFile', `line ${at}`, item);
  return { kept, firstAdmin };
}

function numbered(items: readonly string[]): (readonly [number, string])[] {
  return items.map((item, at) => [at + 1, item.trim()] as const).filter(([, item]) => item !== '');
}
