import { commandOf, ReplyReader } from '#bench/peers/wire/redis-protocol';
import { takenInPieces } from './cut';

describe('the protocol of Redis', () => {
  it('counts the bytes of a word, not its letters', () => {
    expect(commandOf('XADD', 'log', 'ä').toString()).toBe('*3\r\n$4\r\nXADD\r\n$3\r\nlog\r\n$2\r\nä\r\n');
  });

  const bytes = Buffer.from('+OK\r\n:1\r\n$5\r\na\r\nbc\r\n$-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n$4\r\n0-12\r\n');
  const replies = ['OK', 1, 'a\r\nbc', null, [1, ['']], '0-12'];

  it.each([1, 2, 3, 7, 1_000])('finds the replies in pieces of %i bytes', (length) => {
    expect(takenInPieces(new ReplyReader(), bytes, length)).toEqual(replies);
  });

  it('throws for a refusal, and for what is no reply', () => {
    expect(() => new ReplyReader().take(Buffer.from('-ERR full\r\n'))).toThrow('redis answered: ERR full');
    expect(() => new ReplyReader().take(Buffer.from('HTTP/1.1\r\n'))).toThrow('begins with "H"');
  });
});
