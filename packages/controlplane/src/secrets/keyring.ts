/**
 * Private keys of certificates, encrypted before they enter the log and decrypted where they are used: AES-256-GCM with keys
 * that no store of ours ever sees. The newest key encrypts, all of them decrypt.
 *
 * The same text under the same key and name always gives the same result (the nonce is a keyed hash of what is encrypted), so
 * that repeating a request is recognised and putting the same certificate again changes nothing. The name is authenticated
 * with it: an encrypted key cannot be moved to another certificate.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

const KEY_BYTES = 32;
const ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const LINE_CHARS = 64;
const BEGIN = '-----BEGIN SEALED PRIVATE KEY-----';
const END = '-----END SEALED PRIVATE KEY-----';
const SEALED =
  /^-----BEGIN SEALED PRIVATE KEY-----\nKey-Id: ([0-9a-f]{8})\n\n([A-Za-z0-9+/=\n]+)-----END SEALED PRIVATE KEY-----\n?$/;

export interface KeySources {
  /** 32 bytes each as hex, the newest first. */
  readonly keys: readonly string[];
  /** A key is derived from it where none is given; it still decrypts where some are. '' for none. */
  readonly clusterSecret: string;
  readonly clusterName: string;
}

export type Opened = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

interface Key {
  readonly id: string;
  readonly encryption: Buffer;
  readonly nonces: Buffer;
}

export class Keyring {
  readonly #keys: readonly Key[];

  constructor({ keys, clusterSecret, clusterName }: KeySources) {
    const derived =
      clusterSecret === ''
        ? []
        : [derive(Buffer.from(clusterSecret), `key from the secret of ${clusterName}`, KEY_BYTES)];
    this.#keys = [...keys.map((key) => Buffer.from(key, 'hex')), ...derived].map((key) => ({
      id: derive(key, 'key id', ID_BYTES).toString('hex'),
      encryption: derive(key, 'encryption of private keys', KEY_BYTES),
      nonces: derive(key, 'nonces', KEY_BYTES),
    }));
  }

  /** Id of the key that encrypts; null where there is none. */
  get currentId(): string | null {
    return this.#keys[0]?.id ?? null;
  }

  /** The text itself where there is no key. */
  seal(name: string, text: string): string {
    const key = this.#keys[0];
    if (key === undefined) return text;
    const bound = boundTo(key.id, name);
    const nonce = createHmac('sha256', key.nonces)
      .update(bound)
      .update('\0')
      .update(text)
      .digest()
      .subarray(0, NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key.encryption, nonce, { authTagLength: TAG_BYTES }).setAAD(bound);
    const encrypted = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    const lines = encrypted.toString('base64').match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')) ?? [];
    return `${BEGIN}\nKey-Id: ${key.id}\n\n${lines.join('\n')}\n${END}\n`;
  }

  /** A text that is not encrypted is itself. */
  open(name: string, text: string): Opened {
    if (!isSealed(text)) return { ok: true, text };
    const [, id = '', body = ''] = SEALED.exec(text) ?? [];
    if (id === '') return { ok: false, reason: 'is damaged: it is not an encrypted key as this version writes it' };
    const key = this.#keys.find((one) => one.id === id);
    if (key === undefined) return { ok: false, reason: `is encrypted with key ${id}; ${this.#whatIsHere()}` };
    const text64 = body.replaceAll('\n', '');
    const bytes = Buffer.from(text64, 'base64');
    if (bytes.length < NONCE_BYTES + TAG_BYTES || bytes.toString('base64') !== text64)
      return { ok: false, reason: 'is damaged: it was cut or changed' };
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const cipher = createDecipheriv(CIPHER, key.encryption, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(boundTo(id, name)).setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    try {
      const plain = cipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
      return { ok: true, text: Buffer.concat([plain, cipher.final()]).toString('utf8') };
    } catch {
      // The library says no more than this either.
      return { ok: false, reason: `is damaged, or was encrypted for another certificate than ${name}` };
    }
  }

  #whatIsHere(): string {
    if (this.#keys.length === 0) return 'this node has no key: give it FLOTILLA_KEY_FILE';
    return `this node has ${this.#keys.map(({ id }) => id).join(', ')}: give all nodes the same FLOTILLA_KEY_FILE`;
  }
}

/** Key that a sealed text needs; null where it is not sealed. */
export function sealedWith(text: string): string | null {
  return SEALED.exec(text)?.[1] ?? null;
}

export function isSealed(text: string): boolean {
  return text.startsWith(BEGIN);
}

const boundTo = (id: string, name: string): Buffer => Buffer.from(`flotilla certificate key v1\0${id}\0${name}`);

const derive = (key: Buffer, purpose: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, '', `flotilla ${purpose} v1`, bytes));
