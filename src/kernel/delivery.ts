/** Messages without an answer: `send` and `cast`, to wherever they go, and what the mesh brings. */

import { details, thrown } from '../base/error-text.js'
import type { Destination } from '../process/destination.js'
import { castTerm, parseRequest } from '../process/gen-protocol.js'
import type { Process } from '../process/process.js'
import { Cast } from '../process/request.js'
import { ServerProcess } from '../process/server-process.js'
import { Pid } from '../term/pid.js'
import type { Core, Route } from './core.js'

export class Delivery {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  send(owner: Process, to: Destination, message: unknown): boolean {
    if (owner.status === 'ended') return false
    const core = this.#core
    if (owner.isOwner && !core.fence.holds(owner)) return false
    if (to instanceof Pid) {
      const process = core.table.find(to)
      const isHere = process !== undefined && process.status !== 'moved'
      if (isHere && !core.strict) return this.postOrDrop(process, message)
    }
    return this.#sendTo(owner, core.route(to), message)
  }

  #sendTo(owner: Process, route: Route, message: unknown): boolean {
    if (route === undefined) return false
    if ('process' in route)
      return this.postOrDrop(route.process, this.#copy(route.process, message))
    if ('node' in route) return this.#core.router.send(owner.pid, route.target, message)
    if ('endpoint' in route) {
      route.endpoint(message, owner.pid)
      return true
    }
    this.#later(route.later, (pid) => this.send(owner, pid, message))
    return true
  }

  cast(owner: Process, to: Destination, method: unknown, args: readonly unknown[]): boolean {
    if (this.#core.isOver(owner)) return false
    const request =
      typeof method === 'string' ? { method, args, raw: undefined } : parseRequest(method)
    return this.#castTo(owner, this.#core.route(to), request)
  }

  #castTo(owner: Process, route: Route, request: ReturnType<typeof parseRequest>): boolean {
    if (route === undefined) return false
    if ('process' in route) {
      const { process } = route
      const args = this.#copy(process, request.args) as readonly unknown[]
      const raw = this.#copy(process, request.raw)
      const cast = new Cast(request.method, args, raw)
      const isPosted = this.postOrDrop(process, cast)
      // What posting may have armed has shown by now whether there is a context.
      if (this.#core.contexts.inUse) this.#core.contexts.keep(cast)
      return isPosted
    }
    if ('node' in route) return this.#core.router.send(owner.pid, route.target, castTerm(request))
    if ('endpoint' in route) {
      route.endpoint(castTerm(request), owner.pid)
      return true
    }
    this.#later(route.later, (pid) => {
      if (!this.#core.isOver(owner)) this.#castTo(owner, this.#core.route(pid), request)
    })
    return true
  }

  /** False: ended or full; what is dropped for want of room is counted. */
  postOrDrop(process: Process, item: unknown, bytes = 0): boolean {
    if (this.#core.post(process, item, bytes)) return true
    if (!process.ended) this.#core.notices.note('mailboxFull', process)
    return false
  }

  #copy(process: Process, value: unknown): unknown {
    if (!this.#core.strict || value === undefined) return value
    if (process instanceof ServerProcess && process.passByReference) return value
    return this.#core.codec.copy(value)
  }

  /** For handles that must ask first. What they lead to later is as uncertain as any send. */
  #later(pid: Promise<Pid | undefined>, deliver: (pid: Pid) => void): void {
    pid
      .then((found) => {
        if (found !== undefined) deliver(found)
      })
      .catch((error: unknown) => {
        const sentence = `a message was not sent: its destination or the message ${thrown(error)}`
        this.#core.log.warn(sentence, details(error))
      })
  }
}
