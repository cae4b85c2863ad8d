/** Virtual time, the phases of a simulated event loop, and the generator. */
import { describe, expect, it } from 'vitest';
import { NodeLoop } from './node-loop.ts';
import { SimRandom } from './random.ts';
import { World } from './world.ts';

function loopOf(world: World, rate = 1): NodeLoop {
  return new NodeLoop({
    world,
    rate,
    wallOffsetMs: 0,
    latencyMs: () => 0,
    onUncaught: (error) => {
      throw error;
    },
  });
}

describe('world', () => {
  it('takes events by time, and at equal times in the order of their making', async () => {
    const world = new World();
    const seen: string[] = [];
    world.at(5, () => void seen.push('b'));
    world.at(1, () => void seen.push('a'));
    world.at(5, () => void seen.push('c'));
    world.at(3, () => void seen.push('never')).cancel();
    await world.runUntil(10);
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(world.nowMs).toBe(10);
  });

  it('waits for promises before the next event', async () => {
    const world = new World();
    const loop = loopOf(world);
    const seen: string[] = [];
    loop.io(() => {
      void (async () => {
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
        seen.push('promise');
      })();
    });
    world.at(0, () => void world.after(0, () => void seen.push('event')));
    await world.runUntil(1);
    expect(seen).toEqual(['promise', 'event']);
  });

  it('stops where something goes round in circles', async () => {
    const world = new World();
    world.maxSteps = 100;
    const again = (): void => void world.after(0, again);
    again();
    await world.runUntil(1);
    expect(world.stopped).toBe('exhausted');
  });
});

describe('node loop', () => {
  it('a process that goes on after a pause fires its timers before it reads what arrived', async () => {
    const world = new World();
    const loop = loopOf(world);
    const seen: string[] = [];
    loop.setTimer(loop.nowMs() + 10, () => {
      seen.push('timer');
      loop.immediate(() => void seen.push('immediate'));
    });
    world.at(1, () => loop.pause(false));
    world.at(5, () => loop.io(() => void seen.push('message')));
    world.at(50, () => loop.resume());
    await world.runUntil(49);
    expect(seen).toEqual([]);
    await world.runUntil(100);
    expect(seen).toEqual(['timer', 'message', 'immediate']);
  });

  it('time passes for a paused process, but not for a frozen one', async () => {
    const world = new World();
    const [paused, frozen] = [loopOf(world), loopOf(world)];
    const before = paused.nowMs();
    paused.pause(false);
    frozen.pause(true);
    await world.runUntil(100);
    paused.resume();
    frozen.resume();
    expect(paused.nowMs() - before).toBe(100);
    expect(frozen.nowMs() - before).toBe(0);
  });

  it('a clock that runs fast fires early, never before its own time', async () => {
    const world = new World();
    const loop = loopOf(world, 2);
    const dueMs = loop.nowMs() + 10;
    let firedAtMs = 0;
    loop.setTimer(dueMs, () => {
      firedAtMs = loop.nowMs();
    });
    await world.runUntil(5.1);
    expect(firedAtMs).toBeGreaterThanOrEqual(dueMs);
  });

  it('nothing of an ended process ever runs', async () => {
    const world = new World();
    const loop = loopOf(world);
    let ran = false;
    loop.setTimer(loop.nowMs() + 1, () => {
      ran = true;
    });
    loop.io(() => {
      ran = true;
    });
    loop.end();
    await world.runUntil(10);
    expect(ran).toBe(false);
  });
});

describe('random', () => {
  it('forks depend on their label only, not on what was drawn before', () => {
    const [a, b] = [new SimRandom('seed'), new SimRandom('seed')];
    a.uint32();
    expect(a.fork('x').uint32()).toBe(b.fork('x').uint32());
    expect(a.fork('x').uint32()).not.toBe(a.fork('y').uint32());
  });

  it('stays within its bounds', () => {
    const random = new SimRandom('bounds');
    for (let draw = 0; draw < 2000; draw += 1) {
      expect(random.integer(7)).toBeLessThan(7);
      expect(random.integer(2 ** 47)).toBeLessThan(2 ** 47);
      expect(random.fraction()).toBeLessThan(1);
    }
  });
});
