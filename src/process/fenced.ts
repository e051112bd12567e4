/**
 * What all processes of a node share, such as the registry, as one of them uses it where there is a
 * lease: when the process is fenced off, what it asks is refused there, too.
 */
import { CitadelError } from '../base/errors.js'
import type { Process } from './process.js'

/** `isFace`: which results of methods are such things in turn. */
export function fenced<T extends object>(
  process: Process,
  shared: T,
  isFace: (value: unknown) => value is object,
): T {
  const refuse = (): void => {
    if (!process.host.isOver(process)) return
    throw new CitadelError('noproc', `this process has ended: ${process.pid}`)
  }
  return new Proxy(shared, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        refuse()
        const result: unknown = value.apply(target, args)
        return isFace(result) ? fenced(process, result, isFace) : result
      }
    },
  })
}
