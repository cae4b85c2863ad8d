/**
 * Commands that change the configuration. Each is planned first (checked as a whole, against the state of its own place in
 * the log) and then committed; a dry run plans only.
 */
import type { Config, FaultDetail } from '@flotilla/shared';
import { validateConfig, validateRelations } from '@flotilla/shared/schema';
import type { BackendSet, ConfigReplace, ConfigRollback } from './commands.ts';
import { commitPlan, emptyPlan, isEmptyPlan, planDocument } from './config-plan.ts';
import { type Context, ok, refuse } from './context.ts';
import { readConfigAt } from './history.ts';
import { NumbersPlan } from './numbers-plan.ts';
import type { ConfigCommand, Planned } from './planned.ts';
import { planResource } from './resource-commands.ts';
import type { CommandResult } from './result.ts';
import { backendKey, type ReadonlyState } from './state.ts';
import { planSummary } from './summary.ts';

/** Reads only: the same for a dry run and for the real thing. */
export function planConfigCommand(state: ReadonlyState, command: ConfigCommand): Planned {
  const { revision } = state.meta;
  if (command.ifMatch !== undefined && command.ifMatch !== revision) {
    const details = [{ path: 'revision', message: String(revision) }];
    const message = `the configuration is at revision ${revision}, not ${command.ifMatch}`;
    return { ok: false, code: 'REVISION_MISMATCH', message, details };
  }
  switch (command.type) {
    case 'config.replace':
      return planReplace(state, command);
    case 'config.rollback':
      return planRollback(state, command);
    case 'backend.set':
      return planBackendSet(state, command);
    case 'resource.put':
    case 'resource.patch':
    case 'resource.delete':
      return planResource(state, command);
  }
}

export function applyConfigCommand(context: Context, command: ConfigCommand): CommandResult {
  const planned = planConfigCommand(context.state, command);
  if (!planned.ok) return refuse(context, planned.code, planned.message, planned.details);
  if (planned instanceof NumbersPlan) {
    planned.commit(context);
    return ok(context, true);
  }
  const changed = !isEmptyPlan(planned.plan);
  // A conditional write uses its revision up even where it changes nothing: exactly one writer may win it.
  if (changed || command.ifMatch !== undefined) {
    commitPlan(context, planned.plan, planned.target, changed ? planned.summary : 'no change');
  }
  return ok(context, changed, planned.created);
}

function planReplace(state: ReadonlyState, command: ConfigReplace): Planned {
  const keys = new Map([...state.certificates.entries()].map(([name, one]) => [name, one.keyPem]));
  const validated = validateConfig(command.document, keys);
  return validated.ok ? planTarget(state, validated.config, validated.warnings) : invalid(validated.faults);
}

function planRollback(state: ReadonlyState, command: ConfigRollback): Planned {
  const document = command.revision === 0 ? undefined : readConfigAt(state, command.revision);
  if (document === undefined) {
    const message = `revision ${command.revision} is not in the history; see GET /v1/config/history`;
    return { ok: false, code: 'NOT_FOUND', message, details: [] };
  }
  const validated = validateRelations(document);
  if (!validated.ok) return invalid(validated.faults);
  const planned = planTarget(state, document, validated.warnings);
  return { ...planned, summary: `back to revision ${command.revision}: ${planned.summary}` };
}

function planTarget(state: ReadonlyState, config: Config, warnings: readonly FaultDetail[]) {
  const plan = planDocument(state, config);
  return { ok: true, plan, target: 'config', summary: planSummary(state, plan), warnings } as const;
}

function invalid(faults: readonly FaultDetail[]): Planned {
  const message = `the configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}`;
  return { ok: false, code: 'INVALID_CONFIG', message, details: faults };
}

function planBackendSet(state: ReadonlyState, command: BackendSet): Planned {
  const key = backendKey(command.pool, command.id);
  const row = state.backends.get(key);
  if (row === undefined) {
    return { ok: false, code: 'NOT_FOUND', message: `there is no backend ${key}`, details: [] };
  }
  const { config } = row;
  const { weight = config.weight, state: next = config.state } = command;
  if (weight !== config.weight || next !== config.state)
    return new NumbersPlan(key, row, { ...config, weight, state: next });
  const target = `backend ${key}`;
  return { ok: true, plan: emptyPlan(), target, summary: `${target}: `, warnings: [] };
}
