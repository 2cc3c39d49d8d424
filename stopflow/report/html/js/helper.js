/** Work beside the page: a worker does it, so that no frame waits for it. */

export class Helper {
  /**
   * @param {string} text                     The script of the worker, which answers as `here` does.
   * @param {(question: any) => any} here     The same work in the page, where a browser starts no worker.
   */
  constructor(text, here) {
    Object.assign(this, { here, asked: new Map(), count: 0, worker: null });
    try {
      const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      this.worker = new Worker(url);
      this.worker.onmessage = ({ data: [number, answer] }) => this.#answer(number, answer);
      this.worker.onerror = () => this.#giveUp();
    } catch {
      this.#giveUp();
    }
  }

  /** @param {any} question @returns {Promise<any>} */
  ask(question) {
    return new Promise((answered) => {
      this.asked.set(++this.count, { question, answered });
      if (this.worker) this.worker.postMessage([this.count, question]);
      else this.#giveUp();
    });
  }

  #answer(number, answer) {
    this.asked.get(number).answered(answer);
    this.asked.delete(number);
  }

  /** What is open is done in the page, after the frame that asked for it. */
  #giveUp() {
    this.worker = null;
    setTimeout(() => [...this.asked].forEach(([number, { question }]) => this.#answer(number, this.here(question))));
  }
}
