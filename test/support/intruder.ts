/**
 * Somebody who speaks the protocol by hand, lets itself in with the cookie, and then sends what it
 * likes.
 */

import { systemWorld } from '../../src/base/system-world.js'
import type { Address } from '../../src/base/transport.js'
import { ControlWriter } from '../../src/distribution/control-writer.js'
import { CITADEL_FLAGS } from '../../src/distribution/flags.js'
import { citadelTerm } from '../../src/mesh/citadel-message.js'
import { Pid } from '../../src/term/pid.js'
import { TermWriter } from '../../src/term/term-writer.js'
import { type BareConnection, dialNode } from './dial-node.js'
import { eventually } from './eventually.js'

const CREATION = 5

export class Intruder {
  private constructor(
    readonly bare: BareConnection,
    /** A process that it pretends to have. */
    readonly pid: Pid,
  ) {}

  /** Resolves when the handshake is over, well or not. */
  static async dial(
    to: { address: Address; name: string },
    { name, cookie }: { name: string; cookie: string },
  ): Promise<Intruder> {
    const self = { world: systemWorld(), name, creation: CREATION, cookie }
    const bare = dialNode(self, to.address, to.name)
    await eventually(() => bare.outcome !== undefined || bare.isClosed)
    return new Intruder(bare, new Pid(name, 80, 0, CREATION))
  }

  get isClosed(): boolean {
    return this.bare.isClosed
  }

  raw(bytes: Uint8Array): void {
    this.bare.connection.write(bytes)
  }

  /** A well-formed message to a name of the target. */
  tell(name: string, message: unknown): void {
    const out = new TermWriter()
    new ControlWriter(out, CITADEL_FLAGS, 64 * 1024 * 1024).named(this.pid, name, message)
    this.raw(out.take())
  }

  /** Says it is a Citadel node, so that it becomes a member. */
  introduce(): void {
    const offer = { version: 1, features: [], modules: ['Worker'], weight: 1 }
    const capability = { ...offer, addresses: [], members: [] }
    this.tell('citadel', citadelTerm({ type: 'capability', capability }))
  }

  leave(): void {
    this.bare.connection.destroy()
  }
}
