/**
 * Are these certificates, and is each key its own? The check that needs a crypto library and the time of day, so it is made
 * by whoever proposes a configuration, before it is proposed, and never by the replicated state.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { errorText, type FaultDetail } from '../errors.ts';
import type { CertificateConfig } from './config.ts';

const DAY_MS = 86_400_000;
/** Sooner than that, the end of a certificate is worth a warning. */
export const CERTIFICATE_WARN_MS = 14 * DAY_MS;
const PEM_BLOCK = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

export interface CertificateFindings {
  readonly faults: readonly FaultDetail[];
  /** Allowed, but worth a look: expired or soon to expire. */
  readonly warnings: readonly FaultDetail[];
}

/** Paths are those of the whole document: `certificates[2].keyPem`. */
export function checkCertificates(certificates: readonly CertificateConfig[], nowMs: number): CertificateFindings {
  const faults: FaultDetail[] = [];
  const warnings: FaultDetail[] = [];
  for (const [at, certificate] of certificates.entries()) {
    const path = `certificates[${at}]`;
    const chain = parseChain(certificate.certPem, `${path}.certPem`, faults);
    for (const one of chain) warnOfAge(one, `${path}.certPem`, nowMs, warnings);
    const leaf = chain[0];
    if (certificate.keyPem !== '') checkKey(certificate.keyPem, leaf, `${path}.keyPem`, faults);
  }
  return { faults, warnings };
}

/** Every certificate of a PEM text, in its order; what cannot be read is left out. */
export function certificatesOf(pem: string): X509Certificate[] {
  return parseChain(pem, '', []);
}

function parseChain(pem: string, path: string, faults: FaultDetail[]): X509Certificate[] {
  const blocks = pem.match(PEM_BLOCK) ?? [];
  if (blocks.length === 0) faults.push({ path, message: 'has no complete PEM certificate' });
  return blocks.flatMap((block, at) => {
    try {
      return [new X509Certificate(block)];
    } catch (error) {
      faults.push({ path, message: `certificate ${at + 1} of ${blocks.length} cannot be read: ${errorText(error)}` });
      return [];
    }
  });
}

function warnOfAge(certificate: X509Certificate, path: string, nowMs: number, warnings: FaultDetail[]): void {
  const name = certificate.subject.replaceAll('\n', ', ');
  const endMs = Date.parse(certificate.validTo);
  if (endMs < nowMs) warnings.push({ path, message: `"${name}" expired on ${certificate.validTo}` });
  else if (endMs - nowMs < CERTIFICATE_WARN_MS)
    warnings.push({ path, message: `"${name}" expires on ${certificate.validTo}` });
  if (Date.parse(certificate.validFrom) > nowMs) {
    warnings.push({ path, message: `"${name}" is not valid before ${certificate.validFrom}` });
  }
}

function checkKey(pem: string, leaf: X509Certificate | undefined, path: string, faults: FaultDetail[]): void {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The library's own message may quote from the key.
    faults.push({
      path,
      message: 'is not a private key that can be read; one with a passphrase has to be decrypted first',
    });
    return;
  }
  if (leaf !== undefined && !leaf.checkPrivateKey(key)) {
    faults.push({ path, message: 'is not the key of the first certificate in certPem' });
  }
}
