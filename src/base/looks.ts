/** How a public object looks in `console.log` and as JSON: short, and nothing of what is behind it. */

/** What Node.js calls to show a value; Symbol.for, so that nothing of Node.js is needed here. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** Gives the objects of a class a look: their public name, and a few fields that say what they are. */
export function giveLook<T extends object>(
  type: abstract new (...args: never[]) => T,
  name: string,
  fieldsOf: (it: T) => object,
): void {
  // Node.js shows what it is given here, under the name of its class.
  const Look = { [name]: class {} }[name]!
  const methods = {
    [INSPECT](this: T): object {
      return Object.assign(new Look(), fieldsOf(this))
    },
    toJSON(this: T): object {
      return fieldsOf(this)
    },
  }
  for (const key of Reflect.ownKeys(methods)) {
    const value: unknown = Reflect.get(methods, key)
    Object.defineProperty(type.prototype, key, { value, configurable: true, writable: true })
  }
}
