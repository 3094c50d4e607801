/** What a schedule sees of the masters, to act at the right moment. */
import type { Nemesis } from '../nemesis/nemesis';

/** Who reigns and has the lock; null: nobody. */
export function reigningMaster(nemesis: Nemesis): string | null {
  const { world, profile } = nemesis;
  const isReigning = (node: string): boolean => {
    const process = world.masterOf(node);
    return process?.isUp === true && process.machine.view.phaseName === 'reigning' && world.broker.holder === node;
  };
  return profile.masters.find(isReigning) ?? null;
}

/** Has the master been elected, whether it takes appends yet or not? */
export function isElected(nemesis: Nemesis, node: string): boolean {
  const machine = nemesis.world.masterOf(node)?.machine;
  return machine !== undefined && /reigning/.test(`${machine}`.slice(0, 24));
}

/** Looks every few milliseconds until it is so, or too late; then goes on. */
export function when(nemesis: Nemesis, condition: () => boolean, next: () => void, ms = 4_000): void {
  const deadline = nemesis.world.now + ms;
  const look = (): void => {
    if (condition() || nemesis.world.now >= deadline) return next();
    nemesis.plan(5, look);
  };
  nemesis.plan(5, look);
}
