import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type AnswerReader, PeerSocket } from '#bench/peers/wire/peer-socket';

/** A byte an answer; `!` is a refusal. */
class ByteReader implements AnswerReader<string> {
  take(data: Buffer): string[] {
    const answers = [...data.toString('latin1')];
    if (answers.includes('!')) throw new Error('refused');
    return answers;
  }
}

describe('a connection to a peer', () => {
  let server: Server;
  let socket: PeerSocket<string>;
  let peer: Socket;

  beforeEach(async () => {
    server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connected = once(server, 'connection') as Promise<[Socket]>;
    socket = await PeerSocket.open((server.address() as AddressInfo).port, new ByteReader());
    [peer] = await connected;
  });

  afterEach(() => {
    socket.close();
    peer.destroy();
    server.close();
  });

  it('waits until all answers are there, in whatever pieces', async () => {
    const asked = socket.ask(Buffer.from('?'), 3);
    await once(peer, 'data');
    peer.write('a');
    await new Promise(setImmediate);
    peer.write('bc');
    await expect(asked).resolves.toEqual(['a', 'b', 'c']);
  });

  it('tells a refusal, and is of no use afterwards', async () => {
    const asked = socket.ask(Buffer.from('?'), 2);
    peer.write('a!');
    await expect(asked).rejects.toThrow('refused');
    await expect(socket.ask(Buffer.from('?'), 1)).rejects.toThrow('refused');
  });

  it('tells when the peer goes away', async () => {
    const asked = socket.ask(Buffer.from('?'), 1);
    peer.end();
    await expect(asked).rejects.toThrow('the connection was closed');
  });
});
