/** Lists the storage back ends, and says which of them lose the log with the process. */

/** Each value of LOG_STORE. `inMemory`: the log ends with the process. */
const STORES = {
  disk: { inMemory: false },
  memory: { inMemory: true },
} as const;

/** A storage back end, by its name in LOG_STORE. */
export type StoreKind = keyof typeof STORES;

/** All values of LOG_STORE. */
export const STORE_KINDS = Object.keys(STORES) as readonly StoreKind[];

/** Whether the log in such a store ends with the process; other nodes are told as much. */
export function isInMemory(kind: StoreKind): boolean {
  return STORES[kind].inMemory;
}
