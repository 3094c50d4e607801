/** How a bug is put into a machine from outside. */
import { type SecondaryParts, secondaryParts } from '#secondary/core/parts';
import { SecondaryMachine } from '#secondary/core/secondary';
import { type Cores, REAL_CORES } from '../model/world';

type Step = SecondaryMachine['step'];

/** Secondaries whose steps are changed; the parts are those that the machine was given. */
export function secondariesThat(change: (step: Step, parts: SecondaryParts) => Step): Cores {
  return {
    ...REAL_CORES,
    secondary: (settings, start) => {
      const parts = secondaryParts(settings, start);
      const machine = new SecondaryMachine(parts);
      return { view: machine.view, step: change((now, event) => machine.step(now, event), parts) };
    },
  };
}

/**
 * Replaces a public method or getter of a class.
 * @returns what puts the former one back
 */
export function replace<Type extends object>(
  prototype: Type,
  name: keyof Type & string,
  descriptor: PropertyDescriptor & ThisType<Type>,
): () => void {
  const former = Object.getOwnPropertyDescriptor(prototype, name);
  if (former === undefined) throw new Error(`there is no ${name} to replace`);
  Object.defineProperty(prototype, name, { ...descriptor, configurable: true });
  return () => void Object.defineProperty(prototype, name, former);
}
