/** What a reader finds when the same bytes arrive in pieces of one length. */
import type { AnswerReader } from '#bench/peers/wire/peer-socket';

export function takenInPieces<Answer>(reader: AnswerReader<Answer>, bytes: Buffer, length: number): Answer[] {
  const answers: Answer[] = [];
  for (let from = 0; from < bytes.length; from += length)
    answers.push(...reader.take(bytes.subarray(from, from + length)));
  return answers;
}
