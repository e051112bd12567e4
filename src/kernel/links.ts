/**
 * Links, of local processes and across nodes. Both sides know a link; whichever ends, the other
 * gets an exit signal with its reason. Across nodes an unlink is acknowledged (UNLINK_ID), so that
 * an exit signal on its way when a link is taken back does not count.
 */

import { reasonFromWire, reasonToWire } from '../process/exit-reason.js'
import { type Process, RemoteLink, TIES_PER_NODE_MAX } from '../process/process.js'
import type { Pid } from '../term/pid.js'
import type { Core } from './core.js'
import { signalWithReason } from './remote-reason.js'

export class Links {
  readonly #core: Core
  /** The links between this node and each other node. */
  readonly #nodes = new Map<string, Set<RemoteLink>>()
  #unlinkIds = 0n

  constructor(core: Core) {
    this.#core = core
  }

  link(owner: Process, pid: Pid): void {
    if (pid.node !== this.#core.name) {
      this.#linkRemote(owner, pid)
      return
    }
    const other = this.#core.table.find(pid)
    if (other === owner) return
    if (other === undefined) {
      owner.exitSignal(pid, 'noproc', true)
      return
    }
    owner.ties.addLink(other)
    other.ties.addLink(owner)
    other.detour?.watched?.()
  }

  #linkRemote(owner: Process, pid: Pid): void {
    const known = owner.knownTies?.remoteLinks?.get(RemoteLink.keyOf(pid))
    if (known?.active === true) return
    const sent = this.#core.router.signal(pid.node, { type: 'link', from: owner.pid, to: pid })
    if (!sent) owner.exitSignal(pid, 'noconnection', true)
    else if (known !== undefined) known.active = true
    else this.#add(owner, pid)
  }

  unlink(owner: Process, pid: Pid): void {
    const ties = owner.knownTies
    if (ties === undefined) return
    if (pid.node !== this.#core.name) {
      this.#unlinkRemote(owner, pid)
      return
    }
    const other = this.#core.table.find(pid)
    if (other === undefined) return
    ties.links?.delete(other)
    other.ties.links?.delete(owner)
  }

  #unlinkRemote(owner: Process, pid: Pid): void {
    const link = owner.knownTies?.remoteLinks?.get(RemoteLink.keyOf(pid))
    if (link === undefined || !link.active) return
    link.active = false
    link.unlinkId = ++this.#unlinkIds
    const signal = { type: 'unlink', id: link.unlinkId, from: owner.pid, to: pid } as const
    this.#core.router.signal(pid.node, signal)
  }

  /** Takes its links away from `process`, as by an end that hurts nobody. */
  dissolve(process: Process): void {
    this.ended(process, 'normal')
    process.knownTies?.links?.clear()
    process.knownTies?.remoteLinks?.clear()
  }

  /** `process` has ended: everything linked to it hears so. */
  ended(process: Process, reason: unknown): void {
    const ties = process.knownTies
    if (ties === undefined) return
    for (const other of ties.links ?? []) {
      other.ties.links?.delete(process)
      other.exitSignal(process.pid, reason, true)
    }
    for (const link of ties.remoteLinks?.values() ?? []) {
      this.#nodes.get(link.pid.node)?.delete(link)
      if (!link.active) continue
      const { pid: to } = link
      const wireReason = reasonToWire(reason)
      const signal = { type: 'exit', from: process.pid, to, reason: wireReason } as const
      signalWithReason(this.#core.router, to.node, signal)
    }
  }

  /** A process of another node links to one of ours, if there is one that it can reach. */
  asked(from: Pid, to: Pid, process: Process | undefined): void {
    if (process !== undefined) {
      if (process.ties.remoteLinks?.has(RemoteLink.keyOf(from)) === true) return
      const count = this.#nodes.get(from.node)?.size ?? 0
      if (count < TIES_PER_NODE_MAX) this.#add(process, from)
      else this.#refuse(from, to, 'noconnection')
      return
    }
    this.#refuse(from, to, 'noproc')
  }

  /** A link that cannot be is broken at once. */
  #refuse(from: Pid, to: Pid, reason: string): void {
    const signal = { type: 'exit', from: to, to: from, reason: reasonToWire(reason) } as const
    this.#core.router.signal(from.node, signal)
  }

  takenBack(from: Pid, to: Pid, id: bigint): void {
    const link = this.#find(to, from)
    if (link?.active === true) this.#drop(link)
    this.#core.router.signal(from.node, { type: 'unlinkAck', id, from: to, to: from })
  }

  acknowledged(from: Pid, to: Pid, id: bigint): void {
    const link = this.#find(to, from)
    if (link !== undefined && !link.active && link.unlinkId === id) this.#drop(link)
  }

  /** A linked process of another node ended. Without an active link it is old news. */
  heardExit(from: Pid, to: Pid, reason: unknown): void {
    const link = this.#find(to, from)
    if (link === undefined) return
    this.#drop(link)
    if (link.active) link.process.exitSignal(from, reasonFromWire(reason), true)
  }

  disconnected(node: string): void {
    const links = this.#nodes.get(node)
    if (links === undefined) return
    this.#nodes.delete(node)
    for (const link of links) {
      link.process.ties.remoteLinks?.delete(link.key)
      if (link.active) link.process.exitSignal(link.pid, 'noconnection', true)
    }
  }

  #find(local: Pid, remote: Pid): RemoteLink | undefined {
    return this.#core.table.find(local)?.knownTies?.remoteLinks?.get(RemoteLink.keyOf(remote))
  }

  #add(process: Process, pid: Pid): void {
    const link = new RemoteLink(process, pid)
    process.ties.addRemoteLink(link)
    const links = this.#nodes.get(pid.node)
    if (links === undefined) this.#nodes.set(pid.node, new Set([link]))
    else links.add(link)
    process.detour?.watched?.()
  }

  #drop(link: RemoteLink): void {
    link.process.ties.remoteLinks?.delete(link.key)
    this.#nodes.get(link.pid.node)?.delete(link)
  }
}
