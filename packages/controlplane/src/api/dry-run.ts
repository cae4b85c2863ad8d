/**
 * `?dryRun=true`: what a change of the configuration would be refused for, or what it would change and whom it touches.
 * Nothing is proposed.
 */
import { FlotillaError } from '@flotilla/shared';
import type { ClusterHost, Draft } from '../cluster/host.ts';
import { type ConfigCommand, previewConfigCommand } from '../state/index.ts';
import { revisionMismatch } from './revision.ts';

export function dryRun(host: ClusterHost, draft: Draft): object {
  const { ifMatch } = draft as { readonly ifMatch?: number };
  const { state, revision } = host;
  if (ifMatch !== undefined && ifMatch !== revision) throw revisionMismatch(revision);
  const preview = previewConfigCommand(state, { v: 1, ...draft } as ConfigCommand);
  if (!preview.ok) throw new FlotillaError(preview.code, preview.message, { details: preview.details });
  const { changed, created, summary, warnings, diff } = preview;
  return { dryRun: true, revision, changed, created, summary, warnings, diff };
}
