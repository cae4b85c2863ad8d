/**
 * The private keys of a change before it is proposed: encrypted here, once, by whoever proposes. The replicated state knows
 * nothing of it and stays a pure function of the log.
 */
import { type FaultDetail, FlotillaError } from '@flotilla/shared';
import { KEPT_KEY } from '@flotilla/shared/schema';
import type { Draft } from '../cluster/host.ts';
import type { ControlSettings } from '../ports.ts';
import { isSealed, Keyring } from './keyring.ts';

const PRIVATE_KEY = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/;

export interface Sealing {
  readonly keyring: Keyring;
  /** Nodes are authenticated without a secret that keys could be derived from: storing keys in the clear would be a surprise. */
  readonly required: boolean;
}

export function sealingOf(settings: ControlSettings): Sealing {
  const { keys = [], clusterSecret, clusterName, raftTls } = settings;
  const keyring = new Keyring({ keys, clusterSecret, clusterName });
  return { keyring, required: raftTls !== null };
}

/** Throws INVALID_CONFIG where a key cannot be encrypted, or was encrypted with one that is not here. */
export function sealDraft(sealing: Sealing, draft: Draft): Draft {
  const faults: FaultDetail[] = [];
  const sealed = sealAny(sealing, draft, faults);
  if (faults.length === 0 && sealing.keyring.currentId !== null) findStrayKeys(contentOf(sealed), '', faults);
  if (faults.length > 0) throw new FlotillaError('INVALID_CONFIG', 'a private key cannot be kept', { details: faults });
  return sealed;
}

const contentOf = (draft: Draft): unknown => {
  if (draft.type === 'config.replace') return draft.document;
  if (draft.type === 'resource.put') return draft.value;
  return draft.type === 'resource.patch' ? draft.patch : null;
};

/**
 * Private keys where none belongs, e.g. a key and its certificate mixed up. Refused before they are proposed: the log would keep
 * them in the clear even where the change is refused later.
 */
function findStrayKeys(value: unknown, path: string, faults: FaultDetail[]): void {
  if (typeof value === 'string') {
    if (PRIVATE_KEY.test(value) && !isSealed(value))
      faults.push({ path, message: 'holds a private key, which belongs in keyPem' });
  } else if (Array.isArray(value)) {
    for (const [at, one] of value.entries()) findStrayKeys(one, `${path}[${at}]`, faults);
  } else if (isObject(value)) {
    for (const [name, one] of Object.entries(value)) {
      const isKey = PRIVATE_KEY.test(name);
      if (isKey) faults.push({ path, message: 'has a private key for the name of a field' });
      findStrayKeys(one, isKey ? path : `${path}${path === '' ? '' : '.'}${name}`, faults);
    }
  }
}

function sealAny(sealing: Sealing, draft: Draft, faults: FaultDetail[]): Draft {
  if (draft.type === 'config.replace') {
    const { document } = draft;
    const list: unknown = isObject(document) ? document['certificates'] : undefined;
    if (!isObject(document) || !Array.isArray(list)) return draft;
    const certificates = list.map((one: unknown, at) =>
      sealOne(sealing, one, { name: isObject(one) ? one['name'] : null, path: `certificates[${at}].keyPem`, faults }),
    );
    return { ...draft, document: { ...document, certificates } };
  }
  if (draft.type === 'resource.put' && draft.kind === 'certificate')
    return { ...draft, value: sealOne(sealing, draft.value, { name: draft.name, path: 'keyPem', faults }) };
  if (draft.type === 'resource.patch' && draft.kind === 'certificate')
    return { ...draft, patch: sealOne(sealing, draft.patch, { name: draft.name, path: 'keyPem', faults }) };
  return draft;
}

interface Place {
  readonly name: unknown;
  readonly path: string;
  readonly faults: FaultDetail[];
}

/** What is no certificate with a key is left as it is: its faults are found by the rules of the configuration. */
function sealOne({ keyring, required }: Sealing, value: unknown, { name, path, faults }: Place): unknown {
  if (!isObject(value) || typeof name !== 'string') return value;
  const { keyPem } = value;
  if (typeof keyPem !== 'string' || keyPem === KEPT_KEY || !PRIVATE_KEY.test(keyPem)) return value;
  // One that comes back from a backup. Under an older key it gets the newest one on this occasion.
  const opened = keyring.open(name, keyPem);
  if (!opened.ok) {
    faults.push({ path, message: opened.reason });
    return value;
  }
  if (keyring.currentId === null && required && !isSealed(keyPem)) {
    faults.push({
      path,
      message: 'would be stored in the clear: give every node the same FLOTILLA_KEY_FILE (flotilla certs key)',
    });
    return value;
  }
  return { ...value, keyPem: keyring.seal(name, opened.text) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
