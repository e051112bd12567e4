/** One start of one node as the author of rows in one scope. Only it may write them. */
import { RowBytes } from './row-bytes.js'
import { RowMap } from './row-map.js'

export class Origin {
  /** Set at once when the node is declared dead: its rows are invisible from then on. */
  dead = false
  readonly rows = new RowMap<Row>()
  private weight = 0

  constructor(
    readonly node: string,
    readonly creation: number,
    /** What its node takes, in this scope and others. */
    readonly bytes = new RowBytes(),
  ) {}

  /** What its rows take grows by so much. */
  weigh(bytes: number): void {
    this.weight += bytes
    this.bytes.total += bytes
  }

  /** Its rows are on their way out, as a whole. */
  die(): void {
    this.dead = true
    this.weigh(-this.weight)
  }
}

export interface Row {
  readonly id: string
  readonly origin: Origin
  /** The last snapshot of its origin that contained it. */
  mark: number
}
