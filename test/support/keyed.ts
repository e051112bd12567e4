/** A child that counts, takes its count along when it moves, and registers a key when it starts. */
import { Carried } from './workers.js'

export class Keyed extends Carried {
  override async init(id: unknown): Promise<void> {
    super.init(id)
    await this.citadel.registry.register(`key of ${String(id)}`, this.self)
  }
}
