/** What the checks of relations share: the names that exist, and where findings go. */
import type { Faults } from './check.ts';
import type { CertificateConfig } from './config.ts';

export interface RelationContext {
  /** Null: the list itself is at fault, nobody knows which names there are. */
  readonly pools: ReadonlySet<string> | null;
  readonly certificates: ReadonlyMap<string, CertificateConfig> | null;
  readonly faults: Faults;
  readonly warnings: Faults;
}

export function checkPoolName(name: string, path: string, { pools, faults }: RelationContext): void {
  if (pools?.has(name) === false) faults.add(path, `there is no pool "${name}"`);
}

/** A certificate of that name exists, and has a private key where one is needed. */
export function checkCertificateName(
  name: string,
  path: string,
  { certificates, faults }: RelationContext,
  needs: { readonly key: boolean },
): void {
  if (certificates === null) return;
  const certificate = certificates.get(name);
  if (certificate === undefined) faults.add(path, `there is no certificate "${name}"`);
  else if (needs.key && certificate.keyPem === '') faults.add(path, `certificate "${name}" has no keyPem`);
}
