/**
 * The bound on every wait of the tools that has none of its own. The awaited thing is not cancelled
 * when the time is over; its later outcome, good or bad, is dropped.
 */

/** @throws Error naming `what` when `promise` has not settled within `timeoutMs`. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  if (await settlesWithin(promise, timeoutMs)) return promise;
  throw new Error(`${what} took longer than ${timeoutMs} ms`);
}

/**
 * Whether `promise` settles within `timeoutMs`. @throws what it rejects with, if it does so in time
 */
export async function settlesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
