"use strict";
// The part of Microsoft's Jupyter extension that these tests need, since its marketplace may be out
// of reach: VS Code's own notebook editor, a real kernel, and the same requests and outputs between
// them. Opening, drawing and saving a notebook is VS Code's own doing.

const vscode = require("vscode");
const { spawn } = require("node:child_process");
const path = require("node:path");
const readline = require("node:readline");

// The first of these that has a renderer is drawn.
const BEST_FIRST = [
  /^application\/vnd\./, /^text\/html$/, /^application\/javascript$/, /^image\/gif$/, /^text\/latex$/,
  /^text\/markdown$/, /^image\//, /^application\/json$/, /^text\/plain$/,
];

class Kernel {
  constructor(folder) {
    this.process = spawn(process.env.ROADMAP_TEST_PYTHON, [path.join(__dirname, "bridge.py")], {
      cwd: folder,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.messages = readline.createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  /** The kernel's messages about one cell; the last is its reply. */
  async *execute(code, metadata) {
    this.process.stdin.write(JSON.stringify({ code, metadata }) + "\n");
    for (let type = ""; type !== "execute_reply"; ) {
      const { value, done } = await this.messages.next();
      if (done) throw new Error("the kernel has ended");
      const message = JSON.parse(value);
      type = message.type;
      yield message;
    }
  }
}

/** One run of a cell: draws what the kernel says. */
class Run {
  constructor(execution, displays) {
    this.execution = execution;
    this.displays = displays; // of the whole notebook, by display id: a later cell may update them
    this.stream = undefined;
    this.clearFirst = false;
    this.failed = false;
  }

  async take({ type, content }) {
    if (content.execution_count) this.execution.executionOrder = content.execution_count;
    if (type === "clear_output") await this.clear(content.wait);
    else if (type === "update_display_data") await this.update(content);
    else if (type === "stream") await this.appendText(content);
    else if (type === "display_data" || type === "execute_result")
      await this.append(asRich(type, content), content.transient?.display_id);
    else if (type === "error") {
      this.failed = true;
      await this.append(asError(content));
    }
  }

  async append(output, displayId) {
    if (this.clearFirst) await this.clear(false);
    this.stream = undefined;
    if (displayId) this.displays.set(displayId, output);
    await this.execution.appendOutput(output);
  }

  /** Text goes on where the last text of the same stream ended. */
  async appendText({ name, text }) {
    if (this.clearFirst) await this.clear(false);
    const item = vscode.NotebookCellOutputItem[name](text);
    if (this.stream?.name === name) return this.execution.appendOutputItems(item, this.stream.output);
    const output = new vscode.NotebookCellOutput([item], { outputType: "stream" });
    await this.append(output);
    this.stream = { name, output };
  }

  async update(content) {
    const shown = this.displays.get(content.transient.display_id);
    if (shown) await this.execution.replaceOutputItems(asRich("display_data", content).items, shown);
  }

  async clear(wait) {
    this.clearFirst = Boolean(wait);
    if (wait) return;
    this.stream = undefined;
    await this.execution.clearOutput();
  }
}

function asError(content) {
  const { ename: name, evalue: message, traceback } = content;
  const item = vscode.NotebookCellOutputItem.error({ name, message, stack: traceback.join("\n") });
  const originalError = { output_type: "error", ename: name, evalue: message, traceback };
  return new vscode.NotebookCellOutput([item], { outputType: "error", originalError });
}

function asRich(outputType, { data, metadata, transient, execution_count: executionCount }) {
  const rank = (mime) => (BEST_FIRST.findIndex((kind) => kind.test(mime)) + 100) % 100;
  const items = Object.keys(data)
    .sort((a, b) => rank(a) - rank(b))
    .map((mime) => asItem(mime, data[mime]));
  return new vscode.NotebookCellOutput(items, { outputType, metadata, transient, executionCount });
}

function asItem(mime, value) {
  if (mime.startsWith("image/") && mime !== "image/svg+xml")
    return new vscode.NotebookCellOutputItem(Buffer.from(value, "base64"), mime);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return vscode.NotebookCellOutputItem.text(text, mime);
}

exports.activate = (context) => {
  const sessions = new Map();
  const controller = vscode.notebooks.createNotebookController("python3", "jupyter-notebook", "Python 3");
  controller.supportedLanguages = ["python"];
  controller.supportsExecutionOrder = true;

  const sessionOf = (notebook) => {
    const key = notebook.uri.toString();
    if (!sessions.has(key)) {
      const kernel = new Kernel(path.dirname(notebook.uri.fsPath));
      sessions.set(key, { kernel, displays: new Map(), last: Promise.resolve() });
    }
    return sessions.get(key);
  };

  const runCell = async (cell, { kernel, displays }) => {
    const execution = controller.createNotebookCellExecution(cell);
    execution.start(Date.now());
    await execution.clearOutput();
    const run = new Run(execution, displays);
    const metadata = { cellId: cell.document.uri.toString(), ...cell.metadata.metadata };
    const code = cell.document.getText().replaceAll("\r\n", "\n");
    try {
      for await (const message of kernel.execute(code, metadata)) await run.take(message);
    } finally {
      execution.end(!run.failed, Date.now());
    }
    return !run.failed;
  };

  controller.executeHandler = (cells, notebook) => {
    const session = sessionOf(notebook);
    session.last = session.last.then(async () => {
      for (const cell of cells) if (!(await runCell(cell, session))) break;
    });
    return session.last;
  };

  const affine = (notebook) =>
    controller.updateNotebookAffinity(notebook, vscode.NotebookControllerAffinity.Preferred);
  vscode.workspace.notebookDocuments.forEach(affine);
  context.subscriptions.push(controller, vscode.workspace.onDidOpenNotebookDocument(affine));
  context.subscriptions.push({
    dispose: () => sessions.forEach(({ kernel }) => kernel.process.stdin.end()),
  });
};
