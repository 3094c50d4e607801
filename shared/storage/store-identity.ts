/**
 * Determines the identity of the log that a store holds, and guards it: it is read from the
 * records, compared with the settings, and only ever extended, never exchanged for another.
 */
import { type Identity, isPrefixOf } from '#protocol/identity';
import type { LogOutline } from '#protocol/log/outline';

/**
 * The identity according to the records; null when there are none, or when the first one is not the
 * control record of its epoch.
 */
export function identityOfRecords(outline: LogOutline): Identity | null {
  return outline.identity === '' ? null : outline.identity;
}

/** Throws a plain `Error` unless `next` is the same log as `known` or a later branch of it. */
export function checkExtends(known: Identity | null, next: Identity | null): void {
  if (!isPrefixOf(known, next)) {
    throw new Error(`a store of log ${known} cannot become one of log ${next}: an identity is only ever extended`);
  }
}

/**
 * The folder holds another log than the one that the node is configured for. Nothing in it was
 * changed.
 */
export class ForeignStoreError extends Error {
  /** EX_CONFIG of sysexits.h. */
  readonly exitCode = 78;

  constructor(facts: {
    readonly directory: string;
    readonly setting: 'LOG_NAME' | 'LOG_ID';
    /** Value in the store. */
    readonly found: string;
    /** Value of the setting. */
    readonly configured: string;
  }) {
    const { directory, setting, found, configured } = facts;
    super(
      `${directory} holds the log with ${setting} ${found}, but ${setting} is set to ${configured}. Nothing was changed. ` +
        `To go on with the log in this folder, set ${setting}=${found}; to take part in the other log, set DATA_DIR to another folder.`,
    );
    this.name = 'ForeignStoreError';
  }
}
