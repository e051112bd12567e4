/**
 * The names at hand in the shell: everything the package exports, the running node and its verbs,
 * and what the user's file exports. They are properties of the global object that may be declared
 * again by whoever types.
 */
import type { Citadel } from '../citadel.js'
import * as library from '../index.js'
import { Supervisor } from '../process/supervisor.js'
import type { Pid } from '../term/pid.js'
import type { ShellProcess } from './shell-process.js'

export interface BindingsOptions {
  shell: ShellProcess
  /** The exports of the user's file, by name. */
  exports: Readonly<Record<string, unknown>>
  print(value: unknown): void
}

type Getters = Readonly<Record<string, () => unknown>>

/** Binds all names; answers those of the user's exports that hide one of ours. */
export function bindNames({ shell, exports, print }: BindingsOptions): string[] {
  const names: Getters = { ...libraryNames(), ...nodeNames(shell, print) }
  for (const [name, get] of Object.entries(names)) bindName(name, get)
  const own = Object.entries(exports).filter(([name]) => name !== 'default')
  for (const [name, value] of own) bindName(name, () => value)
  return own.flatMap(([name, value]) => (name in names && names[name]?.() !== value ? [name] : []))
}

function libraryNames(): Getters {
  const all: Record<string, unknown> = { ...library, Supervisor }
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, () => value]))
}

function nodeNames(shell: ShellProcess, print: (value: unknown) => void): Getters {
  const citadel = (): Citadel => shell.citadel
  const verbs = {
    self: () => citadel().pid,
    connect: (node: string) => citadel().connect(node),
    disconnect: (node: string) => citadel().disconnect(node),
    nodes: () => citadel().nodes(),
    members: () => citadel().members(),
    joinCluster: () => citadel().joinCluster(),
    isAlive: (pid: Pid) => citadel().isAlive(pid),
    flush: async () => {
      for (const message of await shell.flush()) print(message)
    },
  }
  return {
    citadel,
    registry: () => citadel().registry,
    groups: () => citadel().groups,
    ...Object.fromEntries(Object.entries(verbs).map(([name, verb]) => [name, () => verb])),
  }
}

/** A property of the global object that may be assigned and declared like any variable. */
export function bindName(name: string, get: () => unknown): void {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    enumerable: false,
    get,
    set: (value: unknown) => {
      const property = { configurable: true, enumerable: true, writable: true, value }
      Object.defineProperty(globalThis, name, property)
    },
  })
}
