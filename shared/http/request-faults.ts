/**
 * Converts the issues that zod finds in a request to the faults that the client gets. Nothing that
 * a client says is ignored in silence: a name that is not known is a fault, which says the nearest
 * known one.
 */

import type { z } from 'zod';
import { nearestName } from '#process/nearest';
import type { RequestFault } from './problem';

/** Names of the members that a schema takes. */
function namesOf(schema: z.ZodObject): readonly string[] {
  return Object.keys(schema.shape);
}

/**
 * All faults of a value that `schema`, a strict object, did not take. An unknown member is reported
 * under its own path.
 */
export function requestFaults(error: z.ZodError, schema: z.ZodObject): readonly RequestFault[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path.join('.'), message: issue.message }];
    return unknownNames(issue.keys, namesOf(schema));
  });
}

/** A fault for each of the names, none of which is among the known ones. */
export function unknownNames(names: readonly string[], known: readonly string[]): readonly RequestFault[] {
  return names.map((path) => ({ path, message: unknownRule(path, known) }));
}

/** What is wrong with a name that is not known, to follow that name. */
export function unknownRule(name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  if (near !== null) return `did you mean ${near}?`;
  return known.length === 0 ? 'not known; nothing is taken here' : `not known; known here: ${known.join(', ')}`;
}
