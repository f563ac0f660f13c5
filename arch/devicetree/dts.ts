import { DtsLexer } from './dts-lexer.ts';
import type { Place, ReadInclude } from './dts-lexer.ts';
import { DtsParser } from './dts-parser.ts';
import type { Body, Label, NodeItem, Part, PropertyItem, Reference } from './dts-parser.ts';
import { cells, concat, DeviceTree, strings } from './tree.ts';
import type { DeviceTreeNode } from './tree.ts';

export { writeDts } from './dts-writer.ts';

const MAX_BYTES = 64 << 20;

/** How `compileDts` reports and finds files. */
export interface CompileOptions {
  /** The source's name in errors. */
  file?: string;
  /** Returns the text of an /include/d file, or undefined where there is none. */
  include?: ReadInclude;
}

// Deletion only marks: what is defined again takes its old place, as with dtc.
interface Property {
  name: string;
  place: Place;
  labels: Label[];
  value: Part[];
  deleted: boolean;
}

interface Node {
  name: string;
  parent: Node | undefined;
  labels: Label[];
  properties: Map<string, Property>;
  children: Map<string, Node>;
  deleted: boolean;
  omitIfUnreferenced: boolean;
  referenced: boolean;
  phandle: number | undefined;
}

function newNode(name: string, parent?: Node): Node {
  return {
    name,
    parent,
    labels: [],
    properties: new Map(),
    children: new Map(),
    deleted: false,
    omitIfUnreferenced: false,
    referenced: false,
    phandle: undefined,
  };
}

function present<T extends { deleted: boolean }>(items: Map<string, T>): T[] {
  return [...items.values()].filter((item) => !item.deleted);
}

function* walk(node: Node): Generator<Node> {
  yield node;
  for (const child of present(node.children)) yield* walk(child);
}

function pathOf(node: Node): string {
  const names: string[] = [];
  for (let at = node; at.parent; at = at.parent) names.unshift(at.name);
  return `/${names.join('/')}`;
}

/**
 * Compiles device tree source (Devicetree specification 0.4, section 6, with what dtc adds) to a tree, phandles
 * assigned and references resolved as dtc does.
 * @throws DeviceTreeError, the message beginning with file:line:column.
 */
export function compileDts(source: string, options: CompileOptions = {}): DeviceTree {
  const lexer = new DtsLexer(options.file ?? 'dts', source, options.include);
  const parser = new DtsParser(lexer);
  const compiler = new Compiler();
  let fresh = true;
  for (const { target, labels, body, omitIfUnreferenced } of parser.statements()) {
    const node = compiler.resolve(target);
    if (body) compiler.merge(node, body, fresh);
    else if (omitIfUnreferenced) node.omitIfUnreferenced = true;
    else if (node.parent) compiler.delete(node);
    else throw target.place.error('the root node cannot be deleted');
    compiler.label(node, labels);
    fresh = false;
  }
  const tree = compiler.finish();
  tree.reservations = parser.reservations;
  return tree;
}

class Compiler {
  #root = newNode('');
  #labels = new Map<string, Node>();
  #nextPhandle = 1;
  #phandles = new Set<number>();
  #bytes = 0;

  /** The node that a label or path names. */
  resolve({ target, place }: Reference): Node {
    if (!target.startsWith('/')) {
      const node = this.#labels.get(target);
      if (!node) throw place.error(`no node has the label ${target}`);
      return node;
    }
    let node: Node | undefined = this.#root;
    for (const name of target.split('/')) if (name) node = node?.children.get(name);
    if (!node || node.deleted) throw place.error(`there is no node ${target}`);
    return node;
  }

  label(node: Node, labels: Label[]): void {
    for (const label of labels) {
      const other = this.#labels.get(label.name);
      if (other === node) continue;
      if (other) throw label.place.error(`the label ${label.name} already belongs to ${pathOf(other)}`);
      this.#labels.set(label.name, node);
      node.labels.push(label);
    }
  }

  delete(node: Node): void {
    if (node.deleted) return;
    node.deleted = true;
    for (const { name } of node.labels) this.#labels.delete(name);
    node.labels = [];
    for (const property of node.properties.values()) property.deleted = true;
    for (const child of node.children.values()) this.delete(child);
  }

  /**
   * Adds a body to a node. In the body that makes a node (`fresh`) every name may stand only once; in a later one,
   * what comes later wins.
   */
  merge(node: Node, body: Body, fresh: boolean): void {
    for (const item of body.properties) this.#mergeProperty(node, item, fresh);
    for (const item of body.children) this.#mergeChild(node, item, fresh);
  }

  #mergeProperty(node: Node, { name, place, labels, value }: PropertyItem, fresh: boolean): void {
    const old = node.properties.get(name);
    if (!value) {
      if (old && !fresh) old.deleted = true;
    } else if (!old) {
      node.properties.set(name, { name, place, labels, value, deleted: false });
    } else {
      if (fresh) throw place.error(`the property ${name} of ${pathOf(node)} is defined twice`);
      Object.assign(old, { place, labels, value, deleted: false });
    }
  }

  #mergeChild(node: Node, { name, place, labels, body, omitIfUnreferenced }: NodeItem, fresh: boolean): void {
    const old = node.children.get(name);
    if (!body) {
      if (old && fresh) throw place.error(`the node ${pathOf(old)} is deleted where it is defined`);
      if (old) this.delete(old);
      return;
    }
    if (old && fresh) throw place.error(`the node ${pathOf(old)} is defined twice`);
    const child = old ?? newNode(name, node);
    node.children.set(name, child);
    child.deleted = false;
    child.omitIfUnreferenced ||= omitIfUnreferenced;
    this.label(child, labels);
    this.merge(child, body, !old);
  }

  finish(): DeviceTree {
    this.#checkLabels();
    for (const node of walk(this.#root)) this.#takePhandle(node);
    // dtc gives out all phandles before it looks at paths.
    for (const as of ['phandle', 'path'] as const) {
      for (const node of walk(this.#root)) {
        for (const property of present(node.properties)) {
          property.value = property.value.map((part) => this.#link(part, as));
        }
      }
    }
    for (const node of walk(this.#root)) {
      if (node.omitIfUnreferenced && !node.referenced) this.delete(node);
    }
    const tree = new DeviceTree();
    this.#build(this.#root, tree.root);
    const bootCpu = tree.root.children.get('cpus')?.children.values().next().value?.get('reg');
    if (bootCpu?.length === 4) tree.bootCpu = new DataView(bootCpu.buffer, bootCpu.byteOffset).getUint32(0);
    return tree;
  }

  /** The labels of properties and values share the name space of the nodes' labels. */
  #checkLabels(): void {
    const owners = new Map<string, Node | Property>(this.#labels);
    for (const node of walk(this.#root)) {
      for (const property of present(node.properties)) {
        for (const { name, place } of property.labels) {
          const owner = owners.get(name);
          if (owner && owner !== property) throw place.error(`the label ${name} is used twice`);
          owners.set(name, property);
        }
      }
    }
  }

  /** Notes the phandle that the source gives to a node. */
  #takePhandle(node: Node): void {
    for (const name of ['phandle', 'linux,phandle']) {
      const property = node.properties.get(name);
      if (!property || property.deleted) continue;
      const { value, place } = property;
      const references = value.filter((part) => !(part instanceof Uint8Array)) as Reference[];
      if (references.length) {
        const size = value.reduce((sum, part) => sum + (part instanceof Uint8Array ? part.length : 4), 0);
        if (size !== 4 || this.resolve(references[0]!) !== node) {
          throw place.error(`${name} must be a number or a reference to its own node`);
        }
        continue;
      }
      const bytes = concat(...(value as Uint8Array[]));
      if (bytes.length !== 4) throw place.error(`${name} must be one cell`);
      const phandle = new DataView(bytes.buffer).getUint32(0);
      if (phandle === 0 || phandle === 0xffffffff) throw place.error(`${name} cannot be 0x${phandle.toString(16)}`);
      if (phandle === node.phandle) continue;
      if (node.phandle !== undefined) throw place.error('phandle and linux,phandle differ');
      if (this.#phandles.has(phandle)) throw place.error(`the phandle 0x${phandle.toString(16)} is used twice`);
      this.#phandles.add(phandle);
      node.phandle = phandle;
    }
  }

  #phandleOf(node: Node, place: Place): number {
    if (node.phandle !== undefined) return node.phandle;
    while (this.#phandles.has(this.#nextPhandle)) this.#nextPhandle++;
    const phandle = this.#nextPhandle;
    this.#phandles.add(phandle);
    node.phandle = phandle;
    const property = node.properties.get('phandle');
    // `phandle = <&self>` stands where the source has it.
    if (!property || property.deleted) {
      node.properties.delete('phandle');
      node.properties.set('phandle', { name: 'phandle', place, labels: [], value: [cells(phandle)], deleted: false });
    }
    return phandle;
  }

  #link(part: Part, as: 'phandle' | 'path'): Part {
    if (part instanceof Uint8Array || part.as !== as) return part;
    const node = this.resolve(part);
    node.referenced = true;
    const bytes = as === 'phandle' ? cells(this.#phandleOf(node, part.place)) : strings(pathOf(node));
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_BYTES) throw part.place.error(`the references take more than ${MAX_BYTES >> 20} MB`);
    return bytes;
  }

  #build(from: Node, to: DeviceTreeNode): void {
    for (const { name, value } of present(from.properties)) to.set(name, concat(...(value as Uint8Array[])));
    for (const child of present(from.children)) this.#build(child, to.child(child.name));
  }
}
