/** Converts the issues that zod finds in a request to the faults that the client gets. */
import type { z } from 'zod';
import type { RequestFault } from './problem';

/** All faults of a parsed value; an unknown member is reported under its own path. */
export function requestFaults(error: z.ZodError): readonly RequestFault[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path.join('.'), message: issue.message }];
    return issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: issue.message }));
  });
}
