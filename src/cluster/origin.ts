/** One start of one node as the author of rows in one scope. Only it may write them. */
import type { Row } from './table.js'

export class Origin {
  /** Set at once when the node is declared dead: its rows are invisible from then on. */
  dead = false
  readonly rows = new Map<string, Row>()

  constructor(
    readonly node: string,
    readonly creation: number,
  ) {}
}
