import type { OpenFile } from '#storage/disk/file-system';
import { SEGMENT_HEADER_BYTES, Segment } from '#storage/disk/segments/segment';
import { UnreadFrames } from '#storage/disk/segments/unread-frames';

/** A file that has been truncated to its header. */
const CUT_FILE = { read: async () => 0 } as Partial<OpenFile> as OpenFile;

function unreadOf(cutEnds: (segment: Segment) => void): UnreadFrames {
  const segment = new Segment({ firstIndex: 1, running: 0 });
  segment.endAt({ index: 3, offset: 500, running: 9 });
  segment.unread = { index: 3, offset: 500, running: 9 };
  return new UnreadFrames([segment], {
    pathOf: () => 'file',
    withSegment: (_, read) => read(CUT_FILE),
    cutEnds: async () => cutEnds(segment),
  });
}

test('a file that a truncation under way has cut already is judged after the truncation', async () => {
  const unread = unreadOf((segment) => segment.endAt({ index: 0, offset: SEGMENT_HEADER_BYTES, running: 0 }));
  await expect(unread.verify(async () => true)).resolves.toBe(true);
  expect(unread.bytes).toBe(0);
});

test('a file that is too short without a truncation is damaged', async () => {
  const unread = unreadOf(() => undefined);
  await expect(unread.verify(async () => true)).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining('record 1'),
  });
});
