/**
 * Seeds that have failed once, with what was wrong then. A seed means another run when the
 * generators draw otherwise, so each bug has a scenario test of its own as well; these are run
 * again because they cost nothing.
 */
export const FAILED_SEEDS: readonly number[] = [
  // Two logs: a standby, or an empty master at an empty broker, began one beside the one there was.
  4, 8, 16, 18, 28, 29, 41, 42, 50, 61, 63, 69, 72, 74, 86, 93, 111, 117, 133, 140, 145, 150, 153, 167, 198,
  // A member with a new store whose join was lost counted no more.
  5, 15, 48,
  // Voters that could be elected waited behind a claimant that could not; a reign that could not
  // commit held the lock.
  17, 21, 22, 43, 10798,
  // The broker's alarm outlived its connection (in the simulator).
  108, 217, 324, 333, 846, 1390,
  // The first write was torn behind its first record.
  50056, 90196,
  // Not ready for the head of an epoch that was over.
  10537, 11758,
  // A list that was stuck: lost stores stayed, a standby left.
  40, 100996,
  // Records that waited for members who had left were followed, with a hole, by those for the next
  // ones.
  60002258, 60003003,
  // A source of the log that had lost what it had named.
  102738,
  // A stale reign was taken for the present one, a kept prefix for a lost one (in the checkers).
  15154, 210186, 300129,
  // What was fetched and held back was counted for ever when the queue was consumed meanwhile (in
  // the simulator).
  62001683,
  // More stores were lost than a list could bear: late acks of lost ones, a list that shrank
  // meanwhile (in the ledger).
  65006360, 65012695,
  // A blank node was bound by what it had promised to a claimant: 42 again. Removed members were
  // waited for in the end (in the simulator).
  295, 1062, 1282, 1289,
  // What a foreign node had acknowledged counted on; a claimant counted the members of its
  // settings. Both as wild runs: see borders and elections.
  20033, 30213,
  // The check itself: what was still being stored when a node turned to a forced branch was taken
  // for that branch's.
  20013517,
  // A folder that came back brought a list back that counted on two lost stores (in the ledger).
  31044247,
  // A lock was forgotten while the word of it was on its way, and its holder believed in it for
  // ever (in the simulator).
  42094558,
];
