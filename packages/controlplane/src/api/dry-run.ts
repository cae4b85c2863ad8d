/**
 * A change of the configuration before it is proposed: what it would do (`?dryRun=true`), and the checks that need more
 * than the replicated state may use, such as a crypto library and the time of day.
 */
import { type FaultDetail, FlotillaError } from '@flotilla/shared';
import { type CertificateFindings, checkCertificates } from '@flotilla/shared/runtime';
import type { ClusterHost, Draft } from '../cluster/host.ts';
import type { Keyring } from '../secrets/keyring.ts';
import { type ConfigCommand, type Preview, previewConfigCommand } from '../state/index.ts';
import { revisionMismatch } from './revision.ts';

/** Answers the difference; nothing is proposed. */
export function dryRun(
  host: ClusterHost,
  draft: Draft,
  { keyring, warned }: { readonly keyring: Keyring; readonly warned: readonly FaultDetail[] },
): object {
  const { ifMatch } = draft as { readonly ifMatch?: number };
  const { revision } = host;
  if (ifMatch !== undefined && ifMatch !== revision) throw revisionMismatch(revision);
  const preview = previewed(host, draft);
  const findings = certificateFindings(preview, keyring);
  const { changed, created, summary, diff } = preview;
  const warnings = [...preview.warnings, ...findings.warnings, ...warned];
  return { dryRun: true, revision, changed, created, summary, warnings, diff };
}

/** Throws INVALID_CONFIG where certificates cannot be used. Costs nothing for changes that bring none. */
export function checkBeforeProposal(host: ClusterHost, draft: Draft, keyring: Keyring): void {
  if (bringsCertificates(draft)) certificateFindings(previewed(host, draft), keyring);
}

type Accepted = Extract<Preview, { readonly ok: true }>;

function previewed(host: ClusterHost, draft: Draft): Accepted {
  const preview = previewConfigCommand(host.state, { v: 1, ...draft } as ConfigCommand);
  if (!preview.ok) throw new FlotillaError(preview.code, preview.message, { details: preview.details });
  return preview;
}

function certificateFindings({ after }: Accepted, keyring: Keyring): CertificateFindings {
  const opened = after.certificates.map((certificate) => {
    const key = keyring.open(certificate.name, certificate.keyPem);
    // One that was there before and cannot be decrypted here is told by /ready, and is no fault of this change.
    return { ...certificate, keyPem: key.ok ? key.text : '' };
  });
  const findings = checkCertificates(opened, Date.now());
  if (findings.faults.length > 0)
    throw new FlotillaError('INVALID_CONFIG', 'a certificate or key cannot be used', { details: findings.faults });
  return findings;
}

function bringsCertificates(draft: Draft): boolean {
  if (draft.type === 'config.replace') {
    const { certificates } = (draft.document ?? {}) as { readonly certificates?: unknown };
    return Array.isArray(certificates) && certificates.length > 0;
  }
  return (draft.type === 'resource.put' || draft.type === 'resource.patch') && draft.kind === 'certificate';
}
