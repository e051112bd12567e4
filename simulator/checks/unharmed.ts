/** Watches that from its making on nothing happens to any node or connection (I16). */
import type { Ledgers } from './ledgers.js'

export class Unharmed {
  private readonly disruptions: number
  private readonly deaths: number

  constructor(private readonly ledgers: Ledgers) {
    this.disruptions = ledgers.disruptions.count
    this.deaths = ledgers.deaths.deaths
  }

  check(): void {
    const { oracle, disruptions, deaths } = this.ledgers
    if (deaths.deaths > this.deaths) oracle.breaks('I16', 'a node was held for dead')
    if (disruptions.count > this.disruptions) {
      oracle.breaks('I16', 'a node ended, or a connection went down')
    }
  }
}
