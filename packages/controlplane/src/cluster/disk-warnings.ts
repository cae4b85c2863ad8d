/** What people are told of a disk that is about to become a problem. */
import type { RaftStatus } from '@flotilla/raft';

export function diskWarnings({ full, stalled }: RaftStatus['disk']): string[] {
  const warnings: string[] = [];
  if (full) warnings.push('the disk is nearly full: this node takes no writes while it leads. Free space on it.');
  if (stalled) warnings.push('the disk does not answer: a write has been under way for longer than an election takes.');
  return warnings;
}
