/** One start of one node as the author of rows in one scope. Only it may write them. */
import { RowMap } from './row-map.js'

export class Origin {
  /** Set at once when the node is declared dead: its rows are invisible from then on. */
  dead = false
  readonly rows = new RowMap<Row>()

  constructor(
    readonly node: string,
    readonly creation: number,
  ) {}
}

export interface Row {
  readonly id: string
  readonly origin: Origin
  /** The last snapshot of its origin that contained it. */
  mark: number
}
