/** A process to play with: `npx citadel shell --name n1@127.0.0.1 examples/worker.mjs`. */
import { GenServer } from 'citadel'

export class Worker extends GenServer {
  #name

  init(name) {
    this.#name = name
  }

  name() {
    return this.#name
  }

  /** The node it runs on. */
  where() {
    return this.citadel.name
  }
}
