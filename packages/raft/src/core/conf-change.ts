/**
 * Membership arithmetic: what a change makes of a configuration, and how a change is written into an entry. Pure; every
 * replica computes the same from the same log. When a change takes effect is told in membership.ts.
 *
 * A change that moves at most one voter is made in one step (§4.1 of the thesis): old and new majorities overlap anyway.
 * Any other goes through a joint configuration, in which both majorities must agree (§6 of the paper).
 */
import { isJoint } from './quorum.ts';
import type { ConfChange, ConfState, ConfStep, ReplicaId } from './types.ts';

/** The configuration after the change; null where the change makes no sense there. */
export function applyChange(conf: ConfState, change: ConfChange): ConfState | null {
  if (change.steps.length === 0) return isJoint(conf) ? leaveJoint(conf) : null;
  if (isJoint(conf)) return null;
  const ids = change.steps.map((step) => step.id);
  if (new Set(ids).size !== ids.length || ids.includes('')) return null;
  const simple = takeSteps({ ...conf, votersOutgoing: [] }, change.steps);
  if (simple.voters.length === 0) return null;
  if (voterDistance(conf.voters, simple.voters) <= 1) return simple;
  return takeSteps({ ...conf, votersOutgoing: conf.voters, autoLeave: true }, change.steps);
}

function voterDistance(a: readonly ReplicaId[], b: readonly ReplicaId[]): number {
  return a.filter((id) => !b.includes(id)).length + b.filter((id) => !a.includes(id)).length;
}

function takeSteps(conf: ConfState, steps: readonly ConfStep[]): ConfState {
  const voters = new Set(conf.voters);
  const learners = new Set(conf.learners);
  const learnersNext = new Set(conf.learnersNext);
  for (const { op, id } of steps) {
    voters.delete(id);
    learners.delete(id);
    learnersNext.delete(id);
    if (op === 'add-voter') voters.add(id);
    // A voter of the outgoing half still votes; it becomes a learner when that half goes.
    else if (op === 'add-learner') (conf.votersOutgoing.includes(id) ? learnersNext : learners).add(id);
  }
  return {
    voters: [...voters].sort(),
    votersOutgoing: conf.votersOutgoing,
    learners: [...learners].sort(),
    learnersNext: [...learnersNext].sort(),
    autoLeave: conf.autoLeave,
  };
}

function leaveJoint(conf: ConfState): ConfState {
  return {
    voters: conf.voters,
    votersOutgoing: [],
    learners: [...new Set([...conf.learners, ...conf.learnersNext])].sort(),
    learnersNext: [],
    autoLeave: false,
  };
}

const VERSION = 1;
const OPS: readonly ConfStep['op'][] = ['add-voter', 'add-learner', 'remove'];

/** Layout: version u8, count u16, then per step op u8, id length u16, id in UTF-8; the rest is the context. Big-endian. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const encoder = new TextEncoder();
  const steps = change.steps.map(({ op, id }) => ({ op: OPS.indexOf(op), id: encoder.encode(id) }));
  const headBytes = steps.reduce((sum, { id }) => sum + 3 + id.length, 3);
  const bytes = new Uint8Array(headBytes + change.context.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint16(1, steps.length);
  let at = 3;
  for (const { op, id } of steps) {
    view.setUint8(at, op);
    view.setUint16(at + 1, id.length);
    bytes.set(id, at + 3);
    at += 3 + id.length;
  }
  bytes.set(change.context, at);
  return bytes;
}

/** Null where the bytes are no change that this version knows. */
export function decodeConfChange(bytes: Uint8Array): ConfChange | null {
  if (bytes.length < 3 || bytes[0] !== VERSION) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new TextDecoder();
  const steps: ConfStep[] = [];
  let at = 3;
  for (let left = view.getUint16(1); left > 0; left -= 1) {
    if (at + 3 > bytes.length) return null;
    const op = OPS[view.getUint8(at)];
    const end = at + 3 + view.getUint16(at + 1);
    if (op === undefined || end > bytes.length) return null;
    steps.push({ op, id: decoder.decode(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return { steps, context: bytes.slice(at) };
}
