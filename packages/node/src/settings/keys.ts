/**
 * Keys that private keys of certificates are encrypted with at rest: 32 bytes each, as base64 or hex, one a line or with
 * commas between, the newest first.
 */
import type { SettingKey } from './definitions.ts';
import type { TokenTexts } from './tokens.ts';

const KEY_BYTES = 32;
const HEX = /^[0-9a-fA-F]{64}$/;
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

export function readKeys(texts: TokenTexts): string[] {
  const keys: string[] = [];
  const read = (key: SettingKey, text: string | null): void => {
    const items = (text ?? '').split(/[\n,]/).map((item) => item.trim());
    for (const [at, item] of items.filter((one) => one !== '' && !one.startsWith('#')).entries()) {
      const bytes = HEX.test(item) ? Buffer.from(item, 'hex') : Buffer.from(BASE64.test(item) ? item : '', 'base64');
      // The text itself is not repeated: it is a secret.
      if (bytes.length === KEY_BYTES) keys.push(bytes.toString('hex'));
      else texts.fault(key, `key ${at + 1} is not 32 bytes as base64 or hex: make one with flotilla certs key FILE`);
    }
  };
  read('key', texts.text('key'));
  read('keyFile', texts.file('keyFile'));
  return keys;
}
