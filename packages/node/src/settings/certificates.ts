/**
 * Certificates of this node and of its API, as far as they can be judged before they are used: they can be read, each key is
 * its own, and OpenSSL takes them. Whom they name and who signed them is judged where connections are made.
 */
import { createSecureContext } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { errorText } from '@flotilla/shared';
import { checkCertificates } from '@flotilla/shared/runtime';
import type { SettingKey } from './definitions.ts';
import type { NodeSettings } from './types.ts';

type Report = (key: SettingKey, message: string) => void;

export function checkTlsFiles({ tls, apiTls, apiTlsCa }: NodeSettings, report: Report): void {
  if (tls !== null) {
    checkAuthority('tlsCa', tls.ca, report);
    checkPair({ cert: 'tlsCert', key: 'tlsKey' }, tls, report);
  }
  if (apiTls !== null) checkPair({ cert: 'apiTlsCert', key: 'apiTlsKey' }, apiTls, report);
  if (apiTlsCa !== null) checkAuthority('apiTlsCa', apiTlsCa, report);
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

function checkPair(keys: Record<keyof Pair, SettingKey>, { cert, key }: Pair, report: Report): void {
  // An empty text was reported by whoever could not read the file.
  if (cert === '' || key === '') return;
  const { faults } = checkCertificates([{ name: '', certPem: cert, keyPem: key }], Date.now());
  for (const { path, message } of faults) report(path.endsWith('keyPem') ? keys.key : keys.cert, message);
  if (faults.length > 0) return;
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    report(keys.cert, `cannot be used: ${errorText(error)}`);
  }
}

function checkAuthority(key: SettingKey, ca: string, report: Report): void {
  if (ca === '') return;
  const { faults } = checkCertificates([{ name: '', certPem: ca, keyPem: '' }], Date.now());
  for (const { message } of faults) report(key, message);
}

/** Null, or why other nodes would not take the new certificate for this node: asked before a running node changes to it. */
export function renewalFault({ nodeId, tls }: NodeSettings): string | null {
  if (tls === null) return null;
  const certificate = new X509Certificate(tls.cert);
  const names = (certificate.subjectAltName ?? '').split(', ');
  const isNamed = names.includes(`DNS:${nodeId}`) || certificate.subject.split('\n').includes(`CN=${nodeId}`);
  if (!isNamed) return `the certificate does not name ${nodeId} but ${certificate.subject.replaceAll('\n', ', ')}`;
  if (Date.parse(certificate.validTo) < Date.now()) return `the certificate expired on ${certificate.validTo}`;
  return null;
}
