/**
 * The certificates of one listener, found by server name: exact names first, then one-label wildcards, else the first one.
 *
 * Names come from the subject alternative names of each certificate itself; nothing needs to be configured twice.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { CertificateSpec } from '@flotilla/shared';

export interface CertificateSet {
  /** For a client that names no server, or one that nobody has. */
  readonly fallback: SecureContextOptions;
  choose(serverName: string): SecureContext;
}

export function buildCertificateSet(
  names: readonly string[],
  certificates: readonly CertificateSpec[],
  options: SecureContextOptions,
): CertificateSet {
  const byName = new Map<string, SecureContext>();
  const found = names.map((name) => {
    const certificate = certificates.find((candidate) => candidate.name === name);
    if (certificate === undefined) throw new Error(`no certificate named ${name}`);
    return certificate;
  });
  const [first] = found;
  if (first === undefined) throw new Error('no certificates');
  const contexts = found.map(({ certPem, keyPem }) => createSecureContext({ ...options, cert: certPem, key: keyPem }));
  found.forEach(({ certPem }, index) => {
    for (const name of subjectNames(certPem)) if (!byName.has(name)) byName.set(name, contexts[index] as SecureContext);
  });
  return {
    fallback: { ...options, cert: first.certPem, key: first.keyPem },
    choose(serverName) {
      const name = serverName.toLowerCase();
      const dot = name.indexOf('.');
      return byName.get(name) ?? byName.get(`*${name.slice(Math.max(dot, 0))}`) ?? (contexts[0] as SecureContext);
    },
  };
}

function subjectNames(certPem: string): string[] {
  const { subjectAltName } = new X509Certificate(certPem);
  return (subjectAltName ?? '')
    .split(', ')
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice('DNS:'.length).toLowerCase());
}
