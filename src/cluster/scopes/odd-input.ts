/** What other members send and nothing can be made of: left out, and told in the log now and then. */
import { messageOf } from '../../base/describe.js'
import type { QuietLog } from '../../base/quiet-log.js'

export class OddInput {
  constructor(private readonly log: QuietLog) {}

  /** Of a message with many parts, `count` were left out. */
  parts(node: string, count: number): void {
    this.log.warn('odd parts', `${node} sent ${count} parts that make no sense: left out`)
  }

  row(node: string, why: unknown): void {
    this.log.warn('odd row', `a row of ${node} was left out: ${messageOf(why)}`)
  }

  scope(node: string): void {
    this.log.warn('odd scope', `${node} names more scopes than a member may: left out`)
  }
}
