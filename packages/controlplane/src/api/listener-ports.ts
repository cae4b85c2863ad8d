/**
 * What a change of the configuration does to listeners: which ports it would open, so that they can be tried on every node
 * before anything is committed, and which listeners it changed, so that all nodes can be asked whether they serve them.
 */
import type { ListenerConfig } from '@flotilla/shared';
import { mergePatch } from '@flotilla/shared/schema';
import type { Draft } from '../cluster/host.ts';
import type { ListenerPort } from '../cluster/port-check.ts';
import { readConfigAt, type ReadonlyState } from '../state/index.ts';

export interface OpenedPort extends ListenerPort {
  /** Where the change names it. */
  readonly path: string;
  readonly listener: string;
}

/** Ports that no listener has yet. Whatever is wrong with the listeners themselves is for the state machine to say. */
export function openedPorts(state: ReadonlyState, draft: Draft): OpenedPort[] {
  if (!touchesListeners(draft)) return [];
  const taken = new Set([...state.listeners.entries()].map(([, one]) => portKey(one.port, one.protocol === 'udp')));
  return wanted(state, draft).flatMap(({ path, value }) => {
    if (typeof value !== 'object' || value === null) return [];
    const { name, port, protocol } = value as { name?: unknown; port?: unknown; protocol?: unknown };
    const udp = protocol === 'udp';
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return [];
    return taken.has(portKey(port, udp)) ? [] : [{ path, listener: String(name), port, udp }];
  });
}

export function portKey(port: number, udp: boolean): string {
  return `${udp ? 'udp' : 'tcp'}/${port}`;
}

function wanted(state: ReadonlyState, draft: Draft): { readonly path: string; readonly value: unknown }[] {
  switch (draft.type) {
    case 'config.replace':
      return listed((draft.document as { readonly listeners?: unknown } | null)?.listeners);
    case 'config.rollback':
      return listed(readConfigAt(state, draft.revision)?.listeners);
    case 'resource.put':
      return draft.kind === 'listener' ? [{ path: 'port', value: named(draft.name, draft.value) }] : [];
    case 'resource.patch': {
      const present = draft.kind === 'listener' ? state.listeners.get(draft.name) : undefined;
      return present === undefined ? [] : [{ path: 'port', value: mergePatch(present, draft.patch) }];
    }
    default:
      return [];
  }
}

function named(name: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null ? { name, ...value } : value;
}

function listed(listeners: unknown): { readonly path: string; readonly value: unknown }[] {
  if (!Array.isArray(listeners)) return [];
  return listeners.map((value: unknown, at) => ({ path: `listeners[${at}].port`, value }));
}

export type ListenerRows = ReadonlyMap<string, ListenerConfig>;

/** False for changes that never touch a listener, which are the frequent ones. */
export function touchesListeners(draft: Draft): boolean {
  return draft.type.startsWith('config.') || draft.type.startsWith('resource.');
}

/** The listeners now; null for changes that never touch any. */
export function listenersBefore(state: ReadonlyState, draft: Draft): ListenerRows | null {
  return touchesListeners(draft) ? new Map(state.listeners.entries()) : null;
}

/** Names of those that are new or other ones: rows that did not change are the same objects. */
export function changedListeners(before: ListenerRows | null, state: ReadonlyState): string[] {
  if (before === null) return [];
  return [...state.listeners.entries()].filter(([name, row]) => before.get(name) !== row).map(([name]) => name);
}
