/**
 * Certificates as the proxy threads need them: with their keys in the clear. One whose key this node cannot decrypt is left
 * out, which takes away what would use it, and named as a fault.
 */
import type { CertificateSpec } from '@flotilla/shared';
import { type Keyring, isSealed } from './keyring.ts';

export class CertificateOpener {
  readonly #keyring: Keyring;
  readonly #onFault: (fault: string) => void;
  /** By what is decrypted: pictures are compiled often, keys change seldom. */
  #opened = new Map<string, string>();
  #faults: readonly string[] = [];

  constructor(keyring: Keyring, onFault: (fault: string) => void) {
    this.#keyring = keyring;
    this.#onFault = onFault;
  }

  /** For people: what could not be decrypted the last time. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  open(certificates: readonly CertificateSpec[]): readonly CertificateSpec[] {
    if (!certificates.some(({ keyPem }) => isSealed(keyPem))) {
      this.#faults = [];
      return certificates;
    }
    const opened = new Map<string, string>();
    const faults: string[] = [];
    const usable = certificates.flatMap((certificate) => {
      const { name, keyPem } = certificate;
      if (!isSealed(keyPem)) return [certificate];
      const known = this.#opened.get(`${name} ${keyPem}`);
      const result = known === undefined ? this.#keyring.open(name, keyPem) : ({ ok: true, text: known } as const);
      if (!result.ok) {
        faults.push(`certificate ${name} is not served: its private key ${result.reason}`);
        return [];
      }
      opened.set(`${name} ${keyPem}`, result.text);
      return [{ ...certificate, keyPem: result.text }];
    });
    for (const fault of faults) if (!this.#faults.includes(fault)) this.#onFault(fault);
    this.#opened = opened;
    this.#faults = faults;
    return usable;
  }
}
