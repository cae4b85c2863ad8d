/** Commands on one resource: put, merge-patch, delete. Planned like a whole document wherever others may refer to it. */
import type { Config, FaultDetail } from '@flotilla/shared';
import {
  BACKENDS_MAX_COUNT,
  ID_PATTERN,
  mergePatch,
  type Validated,
  validateBackend,
  validateCertificate,
  validateListener,
  validatePool,
  validateRelations,
  validateSettings,
} from '@flotilla/shared/schema';
import type { ResourceRef } from './commands.ts';
import { emptyPlan, planDocument } from './config-plan.ts';
import type { Planned, ResourceCommand } from './planned.ts';
import { readBackend, readConfig, readPool, readSettings } from './reads.ts';
import { backendKey, type ReadonlyState } from './state.ts';
import { planSummary } from './summary.ts';

/** Kinds that stand in a list of the document, under their name. */
type NamedKind = 'listener' | 'pool' | 'certificate';
const LISTS = { listener: 'listeners', pool: 'pools', certificate: 'certificates' } as const;
const ID = new RegExp(ID_PATTERN, 'u');

export function planResource(state: ReadonlyState, command: ResourceCommand): Planned {
  const { kind, name } = command;
  if (kind === 'settings') return planSettings(state, command);
  if (!ID.test(name)) return refused('BAD_REQUEST', `"${name}" is not a name: ${ID_PATTERN}`);
  if (kind === 'backend') return planBackend(state, command);
  return command.type === 'resource.delete' ? planDelete(state, kind, name) : planNamed(state, { ...command, kind });
}

function refused(code: 'BAD_REQUEST' | 'NOT_FOUND' | 'CONFLICT', message: string): Planned {
  return { ok: false, code, message, details: [] };
}

function invalid(what: string, faults: readonly FaultDetail[]): Planned {
  const message = `${what} has ${faults.length} fault${faults.length === 1 ? '' : 's'}`;
  return { ok: false, code: 'INVALID_CONFIG', message, details: faults };
}

/** The value asked for, or the fault that keeps it from being known. */
function wanted(command: ResourceCommand, present: unknown, idField: string | null): unknown {
  if (command.type === 'resource.delete') return undefined;
  const value = command.type === 'resource.patch' ? mergePatch(present, command.patch) : command.value;
  if (idField === null || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.hasOwn(value, idField) ? value : { [idField]: command.name, ...value };
}

function planNamed(
  state: ReadonlyState,
  command: Exclude<ResourceCommand, { type: 'resource.delete' }> & { readonly kind: NamedKind },
): Planned {
  const { kind, name } = command;
  const what = `${kind} ${name}`;
  const present = readNamed(state, kind, name);
  if (command.type === 'resource.patch' && present === undefined) return refused('NOT_FOUND', `there is no ${what}`);
  const validated = validateNamed(state, kind, wanted(command, present, 'name'));
  if (!validated.ok) return invalid(what, validated.faults);
  if (validated.value.name !== name) return invalid(what, [renamed('name', name)]);
  const list = LISTS[kind];
  const config = readConfig(state);
  const items: readonly { readonly name: string }[] = config[list];
  const found = items.findIndex((item) => item.name === name);
  const at = found === -1 ? items.length : found;
  const next: Config = { ...config, [list]: [...items.slice(0, at), validated.value, ...items.slice(at + 1)] };
  const related = validateRelations(next);
  const here = `${list}[${at}].`;
  const local = (faults: readonly FaultDetail[]) =>
    faults.map((one) => (one.path.startsWith(here) ? { ...one, path: one.path.slice(here.length) } : one));
  if (!related.ok) return invalid(what, local(related.faults));
  const plan = planDocument(state, next);
  const warnings = local(related.warnings.filter((one) => one.path.startsWith(here)));
  return { ok: true, plan, target: what, summary: planSummary(state, plan), warnings, created: present === undefined };
}

function renamed(field: string, name: string): FaultDetail {
  return { path: field, message: `must be "${name}", the name that it is addressed by, or be left out` };
}

function readNamed(state: ReadonlyState, kind: NamedKind, name: string): unknown {
  switch (kind) {
    case 'listener':
      return state.listeners.get(name);
    case 'pool':
      return readPool(state, name);
    case 'certificate':
      return state.certificates.get(name);
  }
}

function validateNamed(state: ReadonlyState, kind: NamedKind, value: unknown): Validated<{ readonly name: string }> {
  switch (kind) {
    case 'listener':
      return validateListener(value);
    case 'pool':
      return validatePool(value);
    case 'certificate':
      return validateCertificate(
        value,
        new Map([...state.certificates.entries()].map(([key, one]) => [key, one.keyPem])),
      );
  }
}

function planDelete(state: ReadonlyState, kind: NamedKind, name: string): Planned {
  const what = `${kind} ${name}`;
  if (readNamed(state, kind, name) === undefined) return refused('NOT_FOUND', `there is no ${what}`);
  const config = readConfig(state);
  const list = LISTS[kind];
  const items: readonly { readonly name: string }[] = config[list];
  const next: Config = { ...config, [list]: items.filter((item) => item.name !== name) };
  const related = validateRelations(next);
  if (!related.ok) {
    return { ok: false, code: 'CONFLICT', message: `${what} is in use`, details: related.faults };
  }
  const plan = planDocument(state, next);
  return { ok: true, plan, target: what, summary: planSummary(state, plan), warnings: related.warnings };
}

/** Nothing refers to a backend, so it is checked alone: ten thousand of them can come one by one. */
function planBackend(state: ReadonlyState, command: ResourceCommand & ResourceRef): Planned {
  const { name, pool = '' } = command;
  const what = `backend ${pool}/${name}`;
  const poolRow = state.pools.get(pool);
  if (poolRow === undefined) return refused('NOT_FOUND', `there is no pool ${pool}`);
  const present = readBackend(state, pool, name);
  const key = backendKey(pool, name);
  const plan = emptyPlan();
  if (command.type === 'resource.delete') {
    if (present === undefined) return refused('NOT_FOUND', `there is no ${what}`);
    plan.backends[key] = null;
    plan.pools[pool] = { ...poolRow, backends: poolRow.backends.filter((id) => id !== name) };
    return { ok: true, plan, target: what, summary: `${what} removed`, warnings: [] };
  }
  if (command.type === 'resource.patch' && present === undefined) return refused('NOT_FOUND', `there is no ${what}`);
  const validated = validateBackend(wanted(command, present, 'id'));
  if (!validated.ok) return invalid(what, validated.faults);
  if (validated.value.id !== name) return invalid(what, [renamed('id', name)]);
  if (present === undefined && state.backends.size >= BACKENDS_MAX_COUNT) {
    return refused('CONFLICT', `there are ${BACKENDS_MAX_COUNT} backends, which is the most`);
  }
  if (JSON.stringify(present) !== JSON.stringify(validated.value)) plan.backends[key] = validated.value;
  if (present === undefined) plan.pools[pool] = { ...poolRow, backends: [...poolRow.backends, name] };
  const created = present === undefined;
  const summary = `${what} ${created ? 'added' : 'changed'}`;
  return { ok: true, plan, target: what, summary, warnings: [], created };
}

function planSettings(state: ReadonlyState, command: ResourceCommand): Planned {
  if (command.type === 'resource.delete') return refused('BAD_REQUEST', 'settings cannot be deleted');
  const validated = validateSettings(wanted(command, readSettings(state), null));
  if (!validated.ok) return invalid('settings', validated.faults);
  const plan = emptyPlan();
  if (JSON.stringify(validated.value) !== JSON.stringify(readSettings(state))) plan.settings = validated.value;
  return { ok: true, plan, target: 'settings', summary: 'settings changed', warnings: [], created: false };
}
