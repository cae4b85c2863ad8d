/** One line for people about a change of the configuration: history and audit show it. */
import type { ConfigPlan } from './config-plan.ts';
import type { ReadonlyState } from './state.ts';

const NAMED_MAX_COUNT = 3;

export function planSummary(state: ReadonlyState, plan: ConfigPlan): string {
  const parts = [
    part('listener', plan.listeners, (name) => state.listeners.has(name)),
    part('pool', plan.pools, (name) => state.pools.has(name)),
    part('backend', plan.backends, (key) => state.backends.has(key)),
    part('certificate', plan.certificates, (name) => state.certificates.has(name)),
    plan.settings === null ? '' : 'settings changed',
  ].filter((text) => text !== '');
  if (parts.length > 0) return parts.join('; ');
  return Object.keys(plan.order).length > 0 ? 'order changed' : 'no change';
}

function part(noun: string, rows: Readonly<Record<string, unknown>>, exists: (key: string) => boolean): string {
  const groups: [verb: string, names: string[]][] = [
    ['added', []],
    ['changed', []],
    ['removed', []],
  ];
  for (const [name, row] of Object.entries(rows)) {
    const group = groups[row === null ? 2 : exists(name) ? 1 : 0];
    group?.[1].push(name);
  }
  return groups
    .filter(([, names]) => names.length > 0)
    .map(([verb, names]) => `${noun}${names.length === 1 ? '' : 's'} ${list(names)} ${verb}`)
    .join(', ');
}

function list(names: readonly string[]): string {
  if (names.length <= NAMED_MAX_COUNT) return names.join(' ');
  return `${names.slice(0, NAMED_MAX_COUNT).join(' ')} and ${names.length - NAMED_MAX_COUNT} more`;
}
