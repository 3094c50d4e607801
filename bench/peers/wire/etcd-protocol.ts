/**
 * etcd's gRPC, as much of it as putting needs: protocol buffers by hand (etcd:
 * api/etcdserverpb/rpc.proto), each in a frame of gRPC over HTTP/2 ("gRPC over HTTP2",
 * length-prefixed message). Its JSON gateway would be simpler and costs etcd a second hop. Bytes
 * are kept as latin1 strings until they are sent: a hundred puts are joined faster as strings than
 * as buffers.
 */

/** Wire type of what has a length: bytes, a string or a message. */
const WITH_LENGTH = 2;

/** ASCII both. */
interface Put {
  readonly key: string;
  readonly value: string;
}

/** Body of etcdserverpb.KV/Put. */
export function putRequest(put: Put): Buffer {
  return grpcFrame(putMessage(put));
}

/** Body of etcdserverpb.KV/Txn: no condition, all of the puts. */
export function txnRequest(puts: readonly Put[]): Buffer {
  // RequestOp: request_put = 2; TxnRequest: success = 2.
  return grpcFrame(puts.map((put) => field(2, field(2, putMessage(put)))).join(''));
}

function putMessage({ key, value }: Put): string {
  return field(1, key) + field(2, value);
}

function field(number: number, bytes: string): string {
  return varint(number * 8 + WITH_LENGTH) + varint(bytes.length) + bytes;
}

/** Seven bits a byte, the least first; the high bit says that more follow. */
export function varint(value: number): string {
  if (value < 128) return String.fromCharCode(value);
  return String.fromCharCode((value % 128) + 128) + varint(Math.floor(value / 128));
}

/** A byte "not compressed", four of length, the message. */
function grpcFrame(message: string): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.write(message, 5, 'latin1');
  return frame;
}

/** Of the n-th entry: in order, of one width. */
export function keyOf(number: number): string {
  return `log/${String(number).padStart(12, '0')}`;
}
