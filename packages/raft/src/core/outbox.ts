/**
 * The two ways out for a message. `send` is for what needs no durability. `sendDurable` is for what promises something
 * (a vote, an acknowledgement) and leaves only after this step's write, and all before it, are on disk.
 */
import type { Lane } from './effects.ts';
import type { Message } from './messages.ts';
import type { RaftState } from './state.ts';
import type { ReplicaId } from './types.ts';

function laneOf(message: Message): Lane {
  // Appends keep their order among themselves, so empty ones travel with full ones: overtaking would look like a gap.
  return message.type === 'append' || message.type === 'forward' ? 'bulk' : 'control';
}

export function send(s: RaftState, to: ReplicaId, message: Message): void {
  s.effects.push({ type: 'send', to, message, lane: laneOf(message) });
}

export function sendDurable(s: RaftState, to: ReplicaId, message: Message): void {
  s.draft.release.push({ type: 'send', to, message, lane: laneOf(message) });
}
