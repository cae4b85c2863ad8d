/** What a configuration command would do, without doing it: dry runs, and the checks that are made before proposing. */
import type { Config, ErrorCode, FaultDetail } from '@flotilla/shared';
import { planConfigCommand } from './config-commands.ts';
import { isEmptyPlan } from './config-plan.ts';
import { type ConfigDiff, diffConfig } from './diff.ts';
import { readConfigAt, readDocument } from './history.ts';
import type { ConfigCommand } from './planned.ts';
import { readConfig } from './reads.ts';
import type { ReadonlyState } from './state.ts';

export type Preview =
  | {
      readonly ok: true;
      readonly changed: boolean;
      readonly created: boolean;
      readonly summary: string;
      readonly warnings: readonly FaultDetail[];
      readonly diff: ConfigDiff;
      /** The document after it, with its private keys: to check certificates, not to show. */
      readonly after: Config;
    }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: readonly FaultDetail[];
    };

export function previewConfigCommand(state: ReadonlyState, command: ConfigCommand): Preview {
  const planned = planConfigCommand(state, command);
  if (!planned.ok) return planned;
  const { plan, summary, warnings, created = false } = planned;
  const before = readConfig(state);
  const after = readDocument(state, [plan]);
  return { ok: true, changed: !isEmptyPlan(plan), created, summary, warnings, diff: diffConfig(before, after), after };
}

/** What the change that made `revision` changed; undefined where that is no longer known. */
export function diffOfRevision(state: ReadonlyState, revision: number): ConfigDiff | undefined {
  const previous = state.history.get(String(revision))?.previousRevision;
  const before = previous === undefined ? undefined : readConfigAt(state, previous);
  const after = readConfigAt(state, revision);
  return before === undefined || after === undefined ? undefined : diffConfig(before, after);
}
