import { judge, type KnownIds } from '#master/core/admission/idempotency';
import { generatedId } from '#protocol/entry';
import { entryRecord, type LogRecord } from '#protocol/record';

const REIGN = 'abcdef0123456789';
const FORMER = '0123456789abcdef';

function recordOf(seq: number, id: string, message: string): LogRecord {
  return entryRecord(seq + 1, { seq, epoch: 1, id, ts: '2026-01-01T00:00:00.000Z', message });
}

/**
 * `a` and `b` are stored as seqs 1 and 2, and one with a generated id as 3; `p` is pending as 4.
 */
const STORED = [recordOf(1, 'a', 'text a'), recordOf(2, 'b', 'text b'), recordOf(3, generatedId(REIGN, 3), 'text 3')];
const PENDING = recordOf(4, 'p', 'text p');

const IDS: KnownIds = {
  seqOfId: (id) => {
    if (id === 'damaged') return 'unreadable';
    // The store computes it: the entry with seq 2 is of this reign, and has an id of its client's.
    if (id === generatedId(REIGN, 2)) return 2;
    return STORED.find((record) => record.id === id)?.seq ?? null;
  },
  pendingRecord: (id) => (id === 'p' ? PENDING : null),
  indexOf: (seq) => seq + 1,
  reign: REIGN,
};

const READ = new Map(STORED.map((record) => [record.index, record]));

/** `id:text` each; `:text` has no id. */
function asked(...lines: string[]) {
  return lines.map((line) => {
    const [id, message = ''] = line.split(':');
    return { id: id === '' || id === undefined ? null : id, message };
  });
}

describe('an append is new', () => {
  test.each([
    ['without an id', [':text']],
    ['with an id that the log does not hold', ['c:text']],
    ['when none of its ids is known', ['c:text', ':text', 'd:text']],
    ['with a generated id of a former reign, whose entry was cut', [`${FORMER}-3:text`]],
  ])('%s', (_, lines) => {
    expect(judge(asked(...lines), IDS, new Map())).toEqual({ is: 'new' });
  });

  test('when the log does not have the entry that the store still knows', () => {
    expect(judge(asked('a:text a'), { ...IDS, indexOf: () => null }, new Map())).toEqual({ is: 'new' });
  });
});

describe('what is stored is read before it is compared', () => {
  test('all of it that was not read', () => {
    const [first] = STORED;
    const read = new Map(first === undefined ? [] : [[first.index, first]]);
    const lines = asked('a:text a', 'b:text b', 'p:text p', ':new');
    expect(judge(lines, IDS, new Map())).toEqual({ is: 'unread', indexes: [2, 3] });
    expect(judge(lines, IDS, read)).toEqual({ is: 'unread', indexes: [3] });
  });

  test('but an entry that is pending is at hand', () => {
    expect(judge(asked('p:text p'), IDS, new Map())).toMatchObject({ is: 'repeat', last: { seq: 4 } });
    expect(judge(asked('p:other'), IDS, new Map())).toEqual({ is: 'id-conflict', lines: [1], seq: 4 });
  });

  test('unless the store cannot tell whether an id is known', () => {
    expect(judge(asked('a:text a', 'damaged:text'), IDS, new Map())).toEqual({ is: 'unreadable' });
  });
});

describe('known ids with the same texts are a repeat', () => {
  test.each([
    ['one', ['a:text a'], 1, 1],
    ['several, stored and pending', ['a:text a', 'b:text b', 'p:text p'], 1, 4],
    ['several in another order', ['p:text p', 'a:text a'], 1, 4],
    ['a generated id that was given', [`${REIGN}-3:text 3`], 3, 3],
  ])('%s', (_, lines, first, last) => {
    expect(judge(asked(...lines), IDS, READ)).toMatchObject({
      is: 'repeat',
      first: { seq: first },
      last: { seq: last },
    });
  });
});

describe('nothing is appended', () => {
  test.each([
    ['another text', ['a:other'], { is: 'id-conflict', lines: [1], seq: 1 }],
    ['other texts in a bulk append', ['a:x', 'c:y', 'b:z'], { is: 'id-conflict', lines: [1, 3], seq: 1 }],
    ['a conflict before a part that is known', ['a:text a', 'b:z', ':new'], { is: 'id-conflict', lines: [2], seq: 2 }],
    ['an id that this reign will give', [`${REIGN}-5:x`], { is: 'id-reserved', lines: [1] }],
    ['an id that this reign would have given', [`${REIGN}-2:text b`], { is: 'id-reserved', lines: [1] }],
    ['a reserved id among new ones', ['c:x', `${REIGN}-5:x`], { is: 'id-reserved', lines: [2] }],
    ['a reserved id beside a conflict', [`${REIGN}-5:x`, 'b:z'], { is: 'id-conflict', lines: [1, 2], seq: 2 }],
    ['a given id with another text', [`${REIGN}-3:x`], { is: 'id-conflict', lines: [1], seq: 3 }],
    ['a part that is known', ['a:text a', 'c:x', 'p:text p'], { is: 'ids-known', lines: [1, 3] }],
    ['a part that is known, the rest without ids', [':x', 'a:text a'], { is: 'ids-known', lines: [2] }],
  ])('%s', (_, lines, verdict) => {
    expect(judge(asked(...lines), IDS, READ)).toEqual(verdict);
  });
});
