/** How a bug is put into a machine from outside. */

/** A part of a machine that is nobody's business but its own. */
export function inner<Part>(owner: object, part: string): Part {
  return Reflect.get(owner, part) as Part;
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
