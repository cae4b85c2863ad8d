/** Watching: resume without a gap, refuse what is forgotten. */
import { describe, expect, it } from 'vitest';
import { watchBufferCount, watchClientsMax } from '../limits.ts';
import { WatchHub } from './watch-hub.ts';

function collected(hub: WatchHub, from: number | null): number[] {
  const seen: number[] = [];
  hub.subscribe(from, ({ index }) => seen.push(index));
  return seen;
}

describe('watch hub', () => {
  it('resumes after a revision and goes on', () => {
    const hub = new WatchHub();
    hub.reset(10);
    for (const index of [11, 12, 13]) hub.publish({ index, type: 'config', data: {} });
    const resumed = collected(hub, 11);
    const fresh = collected(hub, null);
    hub.publish({ index: 14, type: 'verdict', data: {} });
    expect(resumed).toEqual([12, 13, 14]);
    expect(fresh).toEqual([14]);
  });

  it('says GONE for what it does not remember: before the start, or pushed out', () => {
    const hub = new WatchHub();
    hub.reset(10);
    expect(() => collected(hub, 9)).toThrow(/forgotten/);
    expect(collected(hub, 10)).toEqual([]);
    for (let index = 11; index <= 11 + watchBufferCount * 2; index += 1)
      hub.publish({ index, type: 'config', data: {} });
    expect(() => collected(hub, 10)).toThrow(/forgotten/);
    expect(collected(hub, 10 + watchBufferCount * 2)).toEqual([11 + watchBufferCount * 2]);
  });

  it('has room for so many watchers and gives it back', () => {
    const hub = new WatchHub();
    const stops = Array.from({ length: watchClientsMax }, () => hub.subscribe(null, () => undefined));
    expect(() => hub.subscribe(null, () => undefined)).toThrow(/too many/);
    stops[0]?.();
    hub.subscribe(null, () => undefined);
  });
});
